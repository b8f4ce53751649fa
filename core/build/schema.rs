//! What a schema file says, as data.

/// One file: an API with its request and response, or a family of records.
pub struct Family {
    /// The Rust module, as `list_offsets` or `metadata`.
    pub module: String,
    /// Set if this is an API.
    pub api: Option<Api>,
    pub structs: Vec<Struct>,
}

pub struct Api {
    pub name: String,
    pub key: i16,
    /// The lowest version that ApiVersions names, where it differs from the lowest that is answered.
    pub announced_from: Option<i16>,
    /// Answered where clients are listened to.
    pub on_broker: bool,
    /// Answered where the metadata quorum and its brokers are listened to.
    pub on_controller: bool,
}

/// A message or a structure inside one.
pub struct Struct {
    pub name: String,
    /// Set if this is a whole message.
    pub message: Option<Message>,
    /// The versions in which this structure occurs.
    pub range: Range,
    /// The version from which the message around it has tagged fields; `None` for never.
    pub flexible_from: Option<i16>,
    pub fields: Vec<Field>,
}

pub struct Message {
    pub kind: Kind,
    /// The key of a record.
    pub key: Option<i16>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Request,
    Response,
    Record,
    Plain,
}

/// Versions, both ends included.
#[derive(Clone, Copy, PartialEq)]
pub struct Range {
    pub first: i16,
    pub last: i16,
}

impl Range {
    /// True where the other range lies inside this one.
    pub fn holds(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

pub struct Field {
    pub name: String,
    pub array: bool,
    pub base: Base,
    pub range: Range,
    /// The versions in which it may be null.
    pub null: Option<Range>,
    pub tag: Option<u32>,
    /// The default where it is not zero, empty or false.
    pub default: Option<String>,
    /// Silently left out in versions that do not have it.
    pub ignorable: bool,
    /// Written in the old form even in flexible versions.
    pub inflexible: bool,
}

#[derive(Clone, PartialEq)]
pub enum Base {
    /// A Rust primitive by its own name.
    Number(String),
    Bool,
    String,
    Bytes,
    Uuid,
    Records,
    Struct(String),
}

impl Field {
    /// The Rust type of the field.
    pub fn rust(&self) -> String {
        let one = match &self.base {
            Base::Number(name) | Base::Struct(name) => name.clone(),
            Base::Bool => "bool".into(),
            Base::String => "Str".into(),
            Base::Bytes => "Bytes".into(),
            Base::Uuid => "Uuid".into(),
            Base::Records => return "Records".into(),
        };
        let whole = if self.array { format!("Vec<{one}>") } else { one };
        if self.null.is_some() { format!("Option<{whole}>") } else { whole }
    }

    /// True where the Rust default is Kafka's default.
    pub fn plain_default(&self) -> bool {
        let option = self.null.is_some() && self.base != Base::Records;
        match self.default.as_deref() {
            None => !option,
            Some(text) => option && text == "null",
        }
    }

    /// The default as a Rust expression.
    pub fn default_value(&self) -> String {
        let option = self.null.is_some() && self.base != Base::Records;
        match self.default.as_deref() {
            Some("null") => "None".into(),
            Some(text) if option => {
                panic!("{}: only null is understood as the default of a nullable, not {text}", self.name)
            }
            Some(text) => text.into(),
            None if option => "Some(Default::default())".into(),
            None => "Default::default()".into(),
        }
    }

    /// A Rust condition: the field differs from its default.
    pub fn differs(&self, place: &str) -> String {
        let option = self.null.is_some() && self.base != Base::Records;
        let empty = self.array || matches!(self.base, Base::String | Base::Bytes);
        match self.default.as_deref() {
            Some("null") => format!("{place}.is_some()"),
            Some(text) => format!("{place} != {text}"),
            None if option && empty => format!("{place}.as_ref().is_none_or(|x| !x.is_empty())"),
            None if option => format!("{place} != Some(Default::default())"),
            None if empty => format!("!{place}.is_empty()"),
            None if self.base == Base::Records => format!("!{place}.is_null()"),
            None if self.base == Base::Bool => place.into(),
            None if self.base == Base::Uuid => format!("!{place}.is_zero()"),
            None => match self.base {
                Base::Number(_) => format!("{place} != 0"),
                _ => format!("{place} != Default::default()"),
            },
        }
    }
}
