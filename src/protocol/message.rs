//! The `message!` macro: a Kafka schema, written as a Rust struct.

/// Defines wire structs, and optionally the request that they belong to.
///
/// ```text
/// message! {
///     request Heartbeat(12): 0..=4, flexible 4, returns HeartbeatResponse;
///
///     /// Docs.
///     struct HeartbeatRequest {
///         group_id: String [..],                               // in every version
///         generation_id: i32 [1..=3] = -1,                     // in some, with a default
///         group_instance_id: Option<String> [3..; null 3..],   // null allowed from version 3 on
///         reason: String [4..; ignorable],                     // may be left out silently
///         state: Option<String> [..; null 2..; ignorable],
///     } tagged {
///         0 => cluster_id: Option<String> [2..],
///     }
/// }
/// ```
///
/// A field that is not `ignorable` and not at its default is an error in a version that lacks it,
/// because the broker would do something else than was asked for. Every struct keeps the tagged
/// fields it does not know in `unknown_tags`.
macro_rules! message {
    (
        $(
            request $request:ident($key:literal): $versions:expr, flexible $flexible:literal, returns $response:ty;
        )?
        $(
            $(#[$meta:meta])*
            struct $name:ident {
                $(
                    $(#[$fmeta:meta])*
                    $field:ident: $ty:ty [$($spec:tt)*] $(= $default:expr)?
                ),* $(,)?
            }
            $(tagged {
                $(
                    $(#[$tmeta:meta])*
                    $tag:literal => $tfield:ident: $tty:ty [$($tspec:tt)*] $(= $tdefault:expr)?
                ),* $(,)?
            })?
        )+
    ) => {
        $(
            impl $crate::protocol::Request for $request {
                const KEY: $crate::protocol::ApiKey = $crate::protocol::ApiKey($key);
                const VERSIONS: ::std::ops::RangeInclusive<i16> = $versions;
                const FLEXIBLE: i16 = $flexible;
                type Response = $response;
            }
        )?
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq)]
            #[allow(missing_docs, reason = "fields have the names and meanings of Kafka's schema")]
            #[allow(clippy::derive_partial_eq_without_eq, reason = "some fields are floats")]
            #[allow(clippy::exhaustive_structs, reason = "written as literals, with `..Default::default()`")]
            pub struct $name {
                $($(#[$fmeta])* pub $field: $ty,)*
                $($($(#[$tmeta])* pub $tfield: $tty,)*)?
                /// Tagged fields that this schema does not know.
                pub unknown_tags: $crate::wire::UnknownTags,
            }

            impl Default for $name {
                fn default() -> Self {
                    Self {
                        $($field: message!(@default $($default)?),)*
                        $($($tfield: message!(@default $($tdefault)?),)*)?
                        unknown_tags: Default::default(),
                    }
                }
            }

            impl $crate::wire::Wire for $name {
                fn decode(
                    src: &mut ::bytes::Bytes,
                    version: $crate::wire::Version,
                ) -> Result<Self, $crate::wire::DecodeError> {
                    let mut this = Self::default();
                    $(
                        if message!(@when version, $($spec)*) {
                            this.$field = $crate::wire::Wire::decode(src, version)?;
                            if $crate::wire::Wire::is_null(&this.$field) && !message!(@null version, $($spec)*) {
                                return Err($crate::wire::DecodeError::Null);
                            }
                        }
                    )*
                    if version.flexible {
                        $crate::wire::get_tags(src, |tag, value| {
                            match tag {
                                $($($tag if message!(@when version, $($tspec)*) => {
                                    this.$tfield = $crate::wire::decode_all(value, version)?;
                                })*)?
                                _ => this.unknown_tags.push(tag, value),
                            }
                            Ok(())
                        })?;
                    }
                    Ok(this)
                }

                fn encode(
                    &self,
                    dst: &mut ::bytes::BytesMut,
                    version: $crate::wire::Version,
                ) -> Result<(), $crate::wire::EncodeError> {
                    $(
                        if message!(@when version, $($spec)*) {
                            if $crate::wire::Wire::is_null(&self.$field) && !message!(@null version, $($spec)*) {
                                return Err($crate::wire::EncodeError::Null {
                                    field: concat!(stringify!($name), ".", stringify!($field)),
                                    version: version.number,
                                });
                            }
                            $crate::wire::Wire::encode(&self.$field, dst, version)?;
                        } else if !message!(@ignorable $($spec)*) {
                            let default: $ty = message!(@default $($default)?);
                            if self.$field != default {
                                return Err($crate::wire::EncodeError::Unsupported {
                                    field: concat!(stringify!($name), ".", stringify!($field)),
                                    version: version.number,
                                });
                            }
                        }
                    )*
                    $($(
                        if !message!(@when version, $($tspec)*) && !message!(@ignorable $($tspec)*) {
                            let default: $tty = message!(@default $($tdefault)?);
                            if self.$tfield != default {
                                return Err($crate::wire::EncodeError::Unsupported {
                                    field: concat!(stringify!($name), ".", stringify!($tfield)),
                                    version: version.number,
                                });
                            }
                        }
                    )*)?
                    if version.flexible {
                        #[allow(unused_mut, reason = "most structs have no tagged fields")]
                        let mut tags = $crate::wire::Tags::default();
                        $($(
                            let default: $tty = message!(@default $($tdefault)?);
                            if message!(@when version, $($tspec)*) && self.$tfield != default {
                                tags.push($tag, &self.$tfield, version)?;
                            }
                        )*)?
                        tags.finish(&self.unknown_tags, dst)?;
                    }
                    Ok(())
                }
            }
        )+
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    // Whether the field is in this version.
    (@when $version:ident, $when:expr $(; $($rest:tt)*)?) => {
        ::std::ops::RangeBounds::<i16>::contains(&($when), &$version.number)
    };
    // Whether the field may be null in this version: always, unless it says since when.
    (@null $version:ident, $when:expr; null $null:expr $(; ignorable)?) => {
        ::std::ops::RangeBounds::<i16>::contains(&($null), &$version.number)
    };
    (@null $version:ident, $($spec:tt)*) => { true };
    (@ignorable $when:expr; ignorable) => { true };
    (@ignorable $when:expr; null $null:expr; ignorable) => { true };
    (@ignorable $($spec:tt)*) => { false };
}
pub(crate) use message;
