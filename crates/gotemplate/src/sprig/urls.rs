//! `urlParse` and `urlJoin`, after Go's net/url.

use std::net::Ipv6Addr;

use super::{Outcome, Table, fail};
use crate::quote::quoted;
use crate::text::Text;
use crate::value::{Arguments, Context, FunctionError, Key, Map, Value};

pub(super) const TABLE: Table<'static> = &[("urlParse", "s:d", url_parse), ("urlJoin", "d:s", url_join)];

/// A part of an address, of which each has its own characters that need no escape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Fragment,
}

impl Part {
    fn escapes(self, byte: u8) -> bool {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            return false;
        }
        let plain: &[u8] = match self {
            Self::Path => b"$&+,/:;=@",
            Self::User => b"$&+,;=",
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"",
            Self::Fragment => b"$&+,/:;=?@!()*",
        };
        !plain.contains(&byte)
    }
}

fn escape(text: &[u8], part: Part, out: &mut Vec<u8>) {
    for byte in text {
        if part.escapes(*byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
}

fn invalid_escape<T>(text: &[u8]) -> Result<T, String> {
    let shown = String::from_utf8_lossy(text.get(..text.len().min(3)).unwrap_or_default()).into_owned();
    Err(format!("invalid URL escape {}", quoted(&shown)))
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    let is_host = matches!(part, Part::Host | Part::Zone);
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            if is_host && first.is_ascii() && part.escapes(*first) {
                let shown = quoted(&char::from(*first).to_string());
                return Err(format!("invalid character {shown} in host name"));
            }
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digit = |index: usize| after.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return invalid_escape(rest);
        };
        let byte = u8::try_from(high * 16 + low).unwrap_or_default();
        let is_percent = byte == b'%';
        let refused = match part {
            Part::Host => high < 8 && !is_percent,
            Part::Zone => !is_percent && byte != b' ' && Part::Host.escapes(byte),
            _ => false,
        };
        if refused {
            return invalid_escape(rest);
        }
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(bytes)
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == separator) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

#[derive(Default)]
struct Address {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    /// Name and password.
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

impl Address {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let (address, fragment) = cut(text, b'#');
        let described = |text: &[u8], reason: String| {
            let shown = quoted(&String::from_utf8_lossy(text));
            format!("parse {shown}: {reason}")
        };
        let mut parsed = Self::parse_address(address).map_err(|reason| described(address, reason))?;
        if let Some(fragment) = fragment {
            parsed.fragment = unescape(fragment, Part::Fragment).map_err(|reason| described(text, reason))?;
        }
        Ok(parsed)
    }

    fn parse_address(text: &[u8]) -> Result<Self, String> {
        let mut parsed = Self::default();
        if text.iter().any(|byte| *byte < b' ' || *byte == 0x7F) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        if text == b"*" {
            parsed.path = text.to_vec();
            return Ok(parsed);
        }
        let (scheme, rest) = scheme(text)?;
        parsed.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?');
        parsed.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !parsed.scheme.is_empty() {
                parsed.opaque = rest.to_vec();
                return Ok(parsed);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority =
            rest.starts_with(b"//") && (!parsed.scheme.is_empty() || !rest.starts_with(b"///"));
        if has_authority {
            let authority = rest.get(2..).unwrap_or_default();
            let end = authority
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(authority.len());
            let (authority, path) = authority.split_at(end);
            parsed.authority(authority)?;
            rest = path;
        }
        parsed.path = unescape(rest, Part::Path)?;
        Ok(parsed)
    }

    fn authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
            self.host = host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = host(&self.scheme, authority.get(at + 1..).unwrap_or_default())?;
        let user = authority.get(..at).unwrap_or_default();
        let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
        if !user.iter().all(is_valid) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = cut(user, b':');
        let password = password
            .map(|password| unescape(password, Part::User))
            .transpose();
        self.user = Some((unescape(name, Part::User)?, password?));
        Ok(())
    }

    fn user_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some((name, password)) = &self.user {
            escape(name, Part::User, &mut text);
            if let Some(password) = password {
                text.push(b':');
                escape(password, Part::User, &mut text);
            }
        }
        text
    }

    fn hostname(&self) -> &[u8] {
        let colon = self.host.iter().rposition(|byte| *byte == b':');
        let host = colon
            .filter(|colon| is_port(self.host.get(*colon..).unwrap_or_default()))
            .and_then(|colon| self.host.get(..colon))
            .unwrap_or(&self.host);
        host.strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.push_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            escape(&self.fragment, Part::Fragment, &mut out);
        }
        out
    }

    /// Authority and path.
    fn push_hierarchy(&self, out: &mut Vec<u8>) {
        let has_host = !self.host.is_empty() || self.user.is_some();
        if has_host || !self.scheme.is_empty() {
            if has_host || !self.path.is_empty() {
                out.extend_from_slice(b"//");
            }
            if self.user.is_some() {
                out.extend_from_slice(&self.user_text());
                out.push(b'@');
            }
            escape(&self.host, Part::Host, out);
        }
        let mut path = Vec::new();
        if self.path == b"*" {
            path.push(b'*');
        } else {
            escape(&self.path, Part::Path, &mut path);
        }
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend_from_slice(&path);
    }
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                let (scheme, rest) = text.split_at(index);
                return Ok((scheme, rest.get(1..).unwrap_or_default()));
            }
            _ => break,
        }
    }
    Ok((&[], text))
}

fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((first, digits)) => *first == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

fn bad_port<T>(port: &[u8]) -> Result<T, String> {
    Err(format!(
        "invalid port {} after host",
        quoted(&String::from_utf8_lossy(port))
    ))
}

fn host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return ip_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    let is_web = scheme == b"http" || scheme == b"https";
    let colon = if is_web {
        host.iter().position(|byte| *byte == b':')
    } else {
        host.iter().rposition(|byte| *byte == b':')
    };
    let port = colon.and_then(|colon| host.get(colon..)).unwrap_or_default();
    if !is_port(port) {
        return bad_port(port);
    }
    unescape(host, Part::Host)
}

fn ip_literal(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = host.iter().rposition(|byte| *byte == b']') else {
        return Err("missing ']' in host".to_owned());
    };
    let port = host.get(close + 1..).unwrap_or_default();
    if !is_port(port) {
        return bad_port(port);
    }
    let name = host.get(1..close).unwrap_or_default();
    let zone = crate::text::find(name, b"%25").unwrap_or(name.len());
    let (address, zone) = name.split_at(zone);
    let address = unescape(address, Part::Host)?;
    let is_address = std::str::from_utf8(&address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    if !is_address {
        let shown = quoted(&String::from_utf8_lossy(&address));
        return Err(format!("invalid host: ParseAddr({shown}): unable to parse IP"));
    }
    Ok([
        b"[".as_slice(),
        &address,
        &unescape(zone, Part::Zone)?,
        b"]",
        port,
    ]
    .concat())
}

fn url_parse(_: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let address = Address::parse(a.text(0).as_bytes())
        .map_err(|reason| FunctionError::new(format!("unable to parse url: {reason}")))?;
    Ok(Value::map([
        ("scheme", Value::string(address.scheme.as_slice())),
        ("host", Value::string(address.host.as_slice())),
        ("hostname", Value::string(address.hostname())),
        ("path", Value::string(address.path.as_slice())),
        ("query", Value::string(address.query.as_slice())),
        ("opaque", Value::string(address.opaque.as_slice())),
        ("fragment", Value::string(address.fragment.as_slice())),
        ("userinfo", Value::string(address.user_text())),
    ]))
}

fn member(map: &Map, key: &str) -> Result<Vec<u8>, FunctionError> {
    match map.get(&Key::from(key)) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(Text::as_bytes(&text).to_vec()),
        Some(Value::Nil) => Err(FunctionError::nil_dereference()),
        Some(value) => {
            let kind = value.kind_name();
            fail(format!(
                "unable to parse {key} key, must be of type string, but {kind} found"
            ))
        }
    }
}

fn url_join(_: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let map = a.map(0);
    let mut address = Address {
        scheme: member(&map, "scheme")?,
        host: member(&map, "host")?,
        path: member(&map, "path")?,
        query: member(&map, "query")?,
        opaque: member(&map, "opaque")?,
        fragment: member(&map, "fragment")?,
        user: None,
    };
    let user = member(&map, "userinfo")?;
    if !user.is_empty() {
        let whole = [b"proto://".as_slice(), &user, b"@host"].concat();
        address.user = Address::parse(&whole)
            .map_err(|reason| FunctionError::new(format!("unable to parse userinfo in dict: {reason}")))?
            .user;
    }
    Ok(Value::string(address.to_bytes()))
}
