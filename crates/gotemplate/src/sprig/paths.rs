//! Paths with slashes. The functions for the paths of the operating system do the same, as on Linux.

use super::Table;
use crate::value::Value;

pub(super) const TABLE: Table<'static> = &[
    ("base", "s:s", |_, a| {
        Ok(Value::string(base(a.text(0).as_bytes())))
    }),
    ("osBase", "s:s", |_, a| {
        Ok(Value::string(base(a.text(0).as_bytes())))
    }),
    ("dir", "s:s", |_, a| Ok(Value::string(dir(a.text(0).as_bytes())))),
    ("osDir", "s:s", |_, a| {
        Ok(Value::string(dir(a.text(0).as_bytes())))
    }),
    ("clean", "s:s", |_, a| {
        Ok(Value::string(clean(a.text(0).as_bytes())))
    }),
    ("osClean", "s:s", |_, a| {
        Ok(Value::string(clean(a.text(0).as_bytes())))
    }),
    ("ext", "s:s", |_, a| Ok(Value::string(ext(a.text(0).as_bytes())))),
    ("osExt", "s:s", |_, a| {
        Ok(Value::string(ext(a.text(0).as_bytes())))
    }),
    ("isAbs", "s:b", |_, a| {
        Ok(a.text(0).as_bytes().starts_with(b"/").into())
    }),
    ("osIsAbs", "s:b", |_, a| {
        Ok(a.text(0).as_bytes().starts_with(b"/").into())
    }),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    let path = path.get(..end).unwrap_or_default();
    let start = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    match path.get(start..) {
        Some([]) | None => b"/",
        Some(name) => name,
    }
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    clean(path.get(..end).unwrap_or_default())
}

fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => drop(parts.pop()),
                None if is_rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/".as_slice(), &joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

fn ext(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| matches!(byte, b'.' | b'/')) {
        Some(at) if path.get(at) == Some(&b'.') => path.get(at..).unwrap_or_default(),
        _ => b"",
    }
}
