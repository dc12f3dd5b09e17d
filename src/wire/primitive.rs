//! Fixed-size values: integers, booleans, floats, UUIDs.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};

use super::{DecodeError, EncodeError, Output, Version, Wire};

macro_rules! fixed {
    ($($ty:ty: $get:ident, $put:ident;)*) => {$(
        impl Wire for $ty {
            fn decode(src: &mut Bytes, _: Version) -> Result<Self, DecodeError> {
                src.$get().map_err(|_| DecodeError::Truncated)
            }

            fn encode(&self, dst: &mut Output, _: Version) -> Result<(), EncodeError> {
                dst.$put(*self);
                Ok(())
            }
        }
    )*};
}

fixed! {
    i8: try_get_i8, put_i8;
    i16: try_get_i16, put_i16;
    u16: try_get_u16, put_u16;
    i32: try_get_i32, put_i32;
    u32: try_get_u32, put_u32;
    i64: try_get_i64, put_i64;
    f64: try_get_f64, put_f64;
}

impl Wire for bool {
    fn decode(src: &mut Bytes, _: Version) -> Result<Self, DecodeError> {
        Ok(src.try_get_u8().map_err(|_| DecodeError::Truncated)? != 0)
    }

    fn encode(&self, dst: &mut Output, _: Version) -> Result<(), EncodeError> {
        dst.put_u8(u8::from(*self));
        Ok(())
    }
}

/// The id of a topic since Kafka 2.8 (KIP-516): unlike its name, it changes when the topic is
/// deleted and created again. All zeros means "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// Whether this is the null id, which no topic has.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        for (at, c) in hex.chars().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                f.write_str("-")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Uuid {
    fn decode(src: &mut Bytes, _: Version) -> Result<Self, DecodeError> {
        src.try_get_u128().map(Self).map_err(|_| DecodeError::Truncated)
    }

    fn encode(&self, dst: &mut Output, _: Version) -> Result<(), EncodeError> {
        dst.put_u128(self.0);
        Ok(())
    }
}
