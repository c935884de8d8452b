//! Structures of the host.

use std::any::Any;
use std::fmt;

use super::{Arguments, Context, FunctionError, Signature, Value};

/// A structure that a program shows to its templates: named fields, methods, and how it prints.
///
/// ```
/// use fluxbot_gotemplate::{Object, Template, Value};
///
/// #[derive(Debug)]
/// struct Image(&'static str, &'static str);
///
/// impl Object for Image {
///     fn type_name(&self) -> String {
///         "image.Image".into()
///     }
///     fn fields(&self) -> Vec<(&'static str, Value)> {
///         vec![("Name", self.0.into()), ("Tag", self.1.into())]
///     }
///     fn text(&self) -> Option<String> {
///         Some(format!("{}:{}", self.0, self.1))
///     }
/// }
///
/// let template = Template::new("message").parse("{{ . }} is {{ .Name | upper }}").unwrap();
/// assert_eq!(template.render(&Value::object(Image("app", "v1"))).unwrap(), "app:v1 is APP");
/// ```
pub trait Object: Any + fmt::Debug + Send + Sync {
    /// The name of the type as Go's `%T` prints it, such as `time.Time`; with a leading `*` for a pointer.
    fn type_name(&self) -> String;

    /// The fields in the order of their declaration. Those whose names start with a small letter are printed and compared
    /// alone, as Go's unexported fields. Values of a type must have the same fields; they are equal if the fields are.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The value of a field; `None` when there is no such field.
    fn field(&self, name: &str) -> Option<Value> {
        let mut fields = self.fields().into_iter();
        fields.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Whether a field's type is an interface, which Go's errors show.
    fn is_interface(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// The signature of a method; `None` when there is no such method. A method goes before a field of the same name.
    fn method(&self, name: &str) -> Option<Signature> {
        let _ = name;
        None
    }

    /// Calls a method that [`Object::method`] knows, with arguments of the types that it names.
    fn call(
        &self,
        name: &str,
        context: &mut Context<'_>,
        arguments: &Arguments<'_>,
    ) -> Result<Value, FunctionError> {
        let _ = (context, arguments);
        Err(FunctionError::new(format!("no method {name}")))
    }

    /// What `%v` and `%s` print, as Go's `fmt.Stringer`; without it the fields are printed.
    fn text(&self) -> Option<String> {
        None
    }

    /// What `toJson` encodes instead of the fields.
    fn json(&self) -> Option<Value> {
        None
    }
}
