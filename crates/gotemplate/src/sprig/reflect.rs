//! Types of values, and `fail`.

use super::{Table, fail};
use crate::value::{Value, deep_equal};

pub(super) const TABLE: Table<'static> = &[
    ("typeOf", "a:s", |_, a| Ok(a.value(0).type_name().into())),
    ("typeIs", "sa:b", |_, a| {
        Ok((a.text(0).to_string_lossy() == a.value(1).type_name()).into())
    }),
    ("typeIsLike", "sa:b", |_, a| {
        let (wanted, name) = (a.text(0).to_string_lossy().into_owned(), a.value(1).type_name());
        Ok((wanted == name || format!("*{wanted}") == name).into())
    }),
    ("kindOf", "a:s", |_, a| Ok(a.value(0).kind_name().into())),
    ("kindIs", "sa:b", |_, a| {
        Ok((a.text(0).to_string_lossy() == a.value(1).kind_name()).into())
    }),
    ("deepEqual", "aa:b", |c, a| {
        Ok(Value::Bool(deep_equal(c, a.value(0), a.value(1))?))
    }),
    ("fail", "s:s", |_, a| fail(a.text(0).to_string_lossy())),
];
