//! The broker's error codes: one table of code, name, whether a retry can help, and what it means.

use std::fmt;

/// An error code of a response. Open: codes that this crate does not know survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($code:literal $constant:ident $retriable:literal $text:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $constant: Self = Self($code);)*

            /// Kafka's name of the code, such as `NOT_LEADER_OR_FOLLOWER`.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($constant)),)*
                    _ => None,
                }
            }

            /// Whether the same request may succeed later.
            pub const fn is_retriable(self) -> bool {
                match self.0 {
                    $($code => $retriable,)*
                    _ => false,
                }
            }

            /// What the code means, in a few words.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "the broker gave an error code that this client does not know",
                }
            }
        }
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR false "the broker failed unexpectedly; its log says why";
    0 NONE false "no error";
    3 UNKNOWN_TOPIC_OR_PARTITION true "the broker does not host this partition, or the topic does not exist";
    7 REQUEST_TIMED_OUT true "the request timed out at the broker";
}

impl ErrorCode {
    /// `Ok` for [`ErrorCode::NONE`].
    ///
    /// # Errors
    ///
    /// Every other code.
    pub const fn check(self) -> Result<(), Self> {
        match self {
            Self::NONE => Ok(()),
            error => Err(error),
        }
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

/// `NOT_LEADER_OR_FOLLOWER (6): …`
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}): {}", self.0, self.text()),
            None => write!(f, "error code {}: {}", self.0, self.text()),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl std::error::Error for ErrorCode {}
