//! The two shapes that every kind repeats: closed sets of words, and the object around spec and status.

/// The text for a word outside a closed set.
pub(crate) fn unknown_word(set: &str, word: &str, words: &[&str]) -> String {
    format!("unknown {set} {word:?}, expected one of {}", words.join(", "))
}

/// Declares an enum whose variants are words of the API.
///
/// Decoding is written out because serde's own text for an unknown word names no type and changes
/// its form with the format that is read.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands in manifests.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                match word.as_str() {
                    $($text => Ok(Self::$variant),)+
                    other => Err(::serde::de::Error::custom($crate::macros::unknown_word(
                        stringify!($name),
                        other,
                        &[$($text),+],
                    ))),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "enum": [$($text),+] })
            }
        }
    };
}

/// Declares a kind: the struct, its place in the API and its `CustomResourceDefinition`.
///
/// `kube::CustomResource` is not used because its `crd()` knows one version only and marks every
/// optional field `nullable`, which Flux's definitions do not.
macro_rules! custom_resource {
    (
        $(#[doc = $doc:literal])+
        pub struct $kind:ident {
            spec: $spec:ty,
            status: $status:ty,
        }
        kind: $name:literal,
        group: $group:expr,
        versions: [$($version:literal),+],
        plural: $plural:literal,
        short_names: $short_names:expr,
        categories: $categories:expr,
        status: $subresource:expr,
        columns: $columns:expr $(,)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, ::serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $kind {
            /// The object's metadata.
            #[serde(default)]
            pub metadata: ::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What is wanted.
            pub spec: $spec,
            /// What was observed.
            pub status: Option<$status>,
        }

        impl $kind {
            /// An object of this name with this spec and no status.
            #[must_use]
            pub fn new(name: &str, spec: $spec) -> Self {
                Self {
                    metadata: ::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        name: Some(name.to_owned()),
                        ..Default::default()
                    },
                    spec,
                    status: None,
                }
            }
        }

        impl $crate::FluxResource for $kind {
            const DEFINITION: &'static $crate::crd::Definition = &$crate::crd::Definition {
                group: $group,
                kind: $name,
                plural: $plural,
                versions: &[$($version),+],
                short_names: $short_names,
                categories: $categories,
                description: concat!($($doc, "\n"),+),
                columns: $columns,
                status: $subresource,
                spec_schema: $crate::crd::schema_of::<$spec>,
                status_schema: $crate::crd::schema_of::<$status>,
            };
        }

        impl ::serde::Serialize for $kind {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::kube::Resource;
                use ::serde::ser::SerializeStruct;
                let fields = 4 + usize::from(self.status.is_some());
                let mut object = serializer.serialize_struct(stringify!($kind), fields)?;
                object.serialize_field("apiVersion", &Self::api_version(&()))?;
                object.serialize_field("kind", $name)?;
                object.serialize_field("metadata", &self.metadata)?;
                object.serialize_field("spec", &self.spec)?;
                if let Some(status) = &self.status {
                    object.serialize_field("status", status)?;
                }
                object.end()
            }
        }

        impl ::kube::Resource for $kind {
            type DynamicType = ();
            type Scope = ::kube::core::NamespaceResourceScope;

            fn kind((): &()) -> ::std::borrow::Cow<'_, str> {
                $name.into()
            }

            fn group((): &()) -> ::std::borrow::Cow<'_, str> {
                <Self as $crate::FluxResource>::DEFINITION.group.into()
            }

            fn version((): &()) -> ::std::borrow::Cow<'_, str> {
                <Self as $crate::FluxResource>::DEFINITION.storage_version().into()
            }

            fn plural((): &()) -> ::std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }

        impl ::kube::core::object::HasSpec for $kind {
            type Spec = $spec;

            fn spec(&self) -> &$spec {
                &self.spec
            }

            fn spec_mut(&mut self) -> &mut $spec {
                &mut self.spec
            }
        }

        impl ::kube::core::object::HasStatus for $kind {
            type Status = $status;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }

            fn status_mut(&mut self) -> &mut Option<$status> {
                &mut self.status
            }
        }

        impl ::kube::CustomResourceExt for $kind {
            fn crd() -> ::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition
            {
                <Self as $crate::FluxResource>::DEFINITION.to_crd()
            }

            fn crd_name() -> &'static str {
                static NAME: ::std::sync::LazyLock<String> =
                    ::std::sync::LazyLock::new(|| <$kind as $crate::FluxResource>::DEFINITION.name());
                &NAME
            }

            fn api_resource() -> ::kube::core::ApiResource {
                ::kube::core::ApiResource::erase::<Self>(&())
            }

            fn shortnames() -> &'static [&'static str] {
                <Self as $crate::FluxResource>::DEFINITION.short_names
            }
        }
    };
}
