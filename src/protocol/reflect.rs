//! Our schema as data, for the tests that compare it with Apache's. Compiled for tests only.

use bytes::Bytes;

use crate::wire::{Secret, Uuid, Version};

/// The type of a field, in the words of Kafka's schema.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// Such as `int32`, `[]string`, or the name of a struct.
    pub(crate) text: String,
    pub(crate) nullable: bool,
    /// Bytes of memory that one value takes, or one element of the array.
    pub(crate) size: usize,
    /// The fields of the struct, or of the structs in the array.
    pub(crate) fields: Option<Vec<Field>>,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_in: fn(Version) -> bool,
    /// Says nothing about types that have no null.
    pub(crate) null_in: fn(Version) -> bool,
    pub(crate) ignorable: bool,
    /// The default, printed with `{:?}`.
    pub(crate) default: String,
    pub(crate) tag: Option<u32>,
}

pub(crate) trait Reflect {
    fn kind() -> Kind;
}

macro_rules! simple {
    ($($ty:ty = $text:literal,)*) => {$(
        impl Reflect for $ty {
            fn kind() -> Kind {
                Kind {
                    text: $text.to_owned(),
                    nullable: false,
                    size: size_of::<Self>(),
                    fields: None,
                }
            }
        }
    )*};
}

simple! {
    bool = "bool",
    i8 = "int8",
    i16 = "int16",
    u16 = "uint16",
    i32 = "int32",
    u32 = "uint32",
    i64 = "int64",
    f64 = "float64",
    Uuid = "uuid",
    String = "string",
    Bytes = "bytes",
    Secret = "bytes",
}

impl<T: Reflect> Reflect for Vec<T> {
    fn kind() -> Kind {
        let element = T::kind();
        Kind { text: format!("[]{}", element.text), nullable: false, ..element }
    }
}

impl<T: Reflect> Reflect for Option<T> {
    fn kind() -> Kind {
        Kind { nullable: true, ..T::kind() }
    }
}

impl<T: Reflect> Reflect for Box<T> {
    fn kind() -> Kind {
        T::kind()
    }
}
