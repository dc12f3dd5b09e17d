//! The `message!` macro: a Kafka schema, written as a Rust struct.

/// Defines wire structs, and optionally the request that they belong to.
///
/// ```text
/// message! {
///     request HeartbeatRequest(12): 0..=4, flexible 4, to Group, returns HeartbeatResponse;
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
/// `to` says where the request is to go: a variant of [`Route`](super::Route).
///
/// `throttled N` before `returns` says from which version on the client waits for the response's
/// `throttle_time_ms` (KIP-219); before it, the broker waits before it answers.
///
/// A field that is not `ignorable` and not at its default is an error in a version that lacks it,
/// because the broker would do something else than was asked for. Every struct keeps the tagged
/// fields it does not know in `unknown_tags`.
///
/// A default is Kafka's, with one exception: a field that may be null wherever it exists is null
/// by default, where Kafka's is often empty. Tagged fields have no exception: what is at its
/// default is not sent. A default must be legal in every version.
macro_rules! message {
    (
        $(
            request $request:ident($key:literal): $versions:expr, flexible $flexible:expr,
            to $route:ident, $(throttled $throttled:literal,)? returns $response:ty;
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
                const ROUTE: $crate::protocol::Route = $crate::protocol::Route::$route;
                type Response = $response;

                $(
                    fn throttle(response: &Self::Response, version: i16) -> ::std::time::Duration {
                        // A negative time is nonsense, and no reason to wait.
                        match u64::try_from(response.throttle_time_ms) {
                            Ok(time) if version >= $throttled => ::std::time::Duration::from_millis(time),
                            _ => ::std::time::Duration::ZERO,
                        }
                    }
                )?
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
                #[inline]
                fn default() -> Self {
                    Self {
                        $($field: message!(@default $($default)?),)*
                        $($($tfield: message!(@default $($tdefault)?),)*)?
                        unknown_tags: Default::default(),
                    }
                }
            }

            #[allow(clippy::float_cmp, reason = "defaults are exact")]
            // Inline, so that what nobody sends is not compiled.
            impl $crate::wire::Wire for $name {
                #[inline]
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

                #[inline]
                fn encode(
                    &self,
                    dst: &mut $crate::wire::Output,
                    version: $crate::wire::Version,
                ) -> Result<(), $crate::wire::EncodeError> {
                    $(
                        if message!(@when version, $($spec)*) {
                            if $crate::wire::Wire::is_null(&self.$field) && !message!(@null version, $($spec)*) {
                                return Err($crate::wire::EncodeError::Null {
                                    field: concat!(stringify!($name), ".", stringify!($field)),
                                    version: version.number,
                                    since: message!(@null_since version, $($spec)*),
                                });
                            }
                            $crate::wire::Wire::encode(&self.$field, dst, version)?;
                        } else if !message!(@ignorable $($spec)*) {
                            let default: $ty = message!(@default $($default)?);
                            if self.$field != default {
                                return Err($crate::wire::EncodeError::Unsupported {
                                    field: concat!(stringify!($name), ".", stringify!($field)),
                                    version: version.number,
                                    since: message!(@since version, $($spec)*),
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
                                    since: message!(@since version, $($tspec)*),
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

            #[cfg(test)]
            impl $crate::protocol::reflect::Reflect for $name {
                fn kind() -> $crate::protocol::reflect::Kind {
                    let fields = vec![
                        $(message!(@reflect None, $field: $ty [$($spec)*] $(= $default)?),)*
                        $($(message!(@reflect Some($tag), $tfield: $tty [$($tspec)*] $(= $tdefault)?),)*)?
                    ];
                    let text = stringify!($name).to_owned();
                    let size = size_of::<Self>();
                    $crate::protocol::reflect::Kind { text, nullable: false, size, fields: Some(fields) }
                }
            }
        )+
    };
    (@reflect $tag:expr, $field:ident: $ty:ty [$($spec:tt)*] $(= $default:expr)?) => {{
        let default: $ty = message!(@default $($default)?);
        $crate::protocol::reflect::Field {
            name: stringify!($field).trim_start_matches("r#"),
            kind: <$ty as $crate::protocol::reflect::Reflect>::kind(),
            is_in: |version| message!(@when version, $($spec)*),
            null_in: |_version| message!(@null _version, $($spec)*),
            ignorable: message!(@ignorable $($spec)*),
            default: format!("{default:?}"),
            tag: $tag,
        }
    }};
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    // Whether the field is in this version.
    (@when $version:ident, $when:expr $(; $($rest:tt)*)?) => {
        ::std::ops::RangeBounds::<i16>::contains(&($when), &$version.number)
    };
    // The first later version that has the field.
    (@since $version:ident, $when:expr $(; $($rest:tt)*)?) => {
        $crate::wire::since(&($when), $version.number)
    };
    (@null_since $version:ident, $when:expr; null $null:expr $(; ignorable)?) => {
        $crate::wire::since(&($null), $version.number)
    };
    (@null_since $version:ident, $($spec:tt)*) => { None };
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
