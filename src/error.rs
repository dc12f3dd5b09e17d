//! The one public error. Lower layers have small errors of their own, which become this one in
//! the cluster layer and above.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::protocol::ErrorCode;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed, where, and why.
///
/// One word, and cheap to clone: the failure of one batch answers many records. `Display` says
/// what failed and where, and of [`Unsupported`](ErrorKind::Unsupported) also which Kafka is needed;
/// causes are in [`source`](StdError::source). Ask it rather than match it:
///
/// ```
/// # fn decide(error: kafkio::Error) {
/// if error.is_ambiguous() {
///     // The record may have been written: send it again only if a duplicate does no harm.
/// } else if error.is_retriable() {
///     // The same call may succeed later.
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// What sort of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting, or an argument of a call, is wrong; the message names it.
    Config,
    /// No connection could be made, or it ended before the answer came.
    Connection,
    /// No answer, or no success, within the time allowed.
    Timeout,
    /// The broker answered with an error code: see [`Error::code`].
    Broker,
    /// The broker's bytes are not what the protocol promises.
    Protocol,
    /// A record batch is damaged, or cannot be decompressed or encoded.
    Record,
    /// Records that were read, or were to be read next, are not in the log any more: an unclean
    /// election has lost them, or the topic was deleted and created again.
    DataLoss,
    /// The broker is too old, or too new, for what was asked.
    Unsupported,
    /// The transaction has failed and can only be aborted, or is aborted already: nothing of it
    /// counts. Another transaction may do better.
    Aborted,
    /// A record is larger than the writer, or the broker, accepts.
    TooLarge,
    /// The handle was closed, or its client is gone.
    Closed,
    /// A background task ended in a panic: a bug in this crate.
    Internal,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: Option<ErrorCode>,
    retriable: bool,
    ambiguous: bool,
    fatal: bool,
    /// `None`: the source says it all.
    message: Option<String>,
    source: Option<Source>,
}

type Source = Arc<dyn StdError + Send + Sync>;

impl Inner {
    fn new(kind: ErrorKind) -> Self {
        let retriable = matches!(kind, ErrorKind::Connection | ErrorKind::Timeout);
        Self {
            kind,
            code: None,
            retriable,
            ambiguous: false,
            fatal: false,
            message: None,
            source: None,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { message: Some(message.into()), ..Inner::new(kind) }))
    }

    /// The error of a lower layer, which says itself what failed.
    pub(crate) fn wrap(kind: ErrorKind, source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { source: Some(Arc::new(source)), ..Inner::new(kind) }))
    }

    /// A wrong setting; `message` names it.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(ErrorKind::Closed, format!("{what} is closed"))
    }

    /// The broker answered `code` to what `message` describes.
    pub(crate) fn broker(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            code: Some(code),
            retriable: code.is_retriable(),
            message: Some(message.into()),
            ..Inner::new(ErrorKind::Broker)
        }))
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Marks a write that may have happened although it failed.
    pub(crate) fn ambiguous(self) -> Self {
        self.change(|inner| inner.ambiguous = true)
    }

    /// Marks what ends its handle.
    pub(crate) fn fatal(self) -> Self {
        self.change(|inner| (inner.fatal, inner.retriable) = (true, false))
    }

    pub(crate) fn retriable(self, retriable: bool) -> Self {
        self.change(|inner| inner.retriable = retriable)
    }

    /// The same failure, with a message that says where it happened; the old message becomes the
    /// first of the causes.
    pub(crate) fn context(self, message: impl Into<String>) -> Self {
        let outer = Inner::clone(&self.0);
        let source: Source = Arc::new(self);
        Self(Arc::new(Inner { message: Some(message.into()), source: Some(source), ..outer }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Whether `Display` says the first cause too: there is nothing else to say, the cause names
    /// the Kafka that is needed, or it has the same code, which is to be told once.
    fn tells_cause(&self) -> bool {
        let inner = &self.0;
        let cause = inner.source.as_ref().and_then(|source| source.downcast_ref::<Self>());
        let is_same_code = inner.code.is_some() && cause.is_some_and(|it| it.0.code == inner.code);
        inner.message.is_none() || inner.kind == ErrorKind::Unsupported || is_same_code
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The broker's error code, if a broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retriable(&self) -> bool {
        self.0.retriable
    }

    /// Whether the handle that gave this error will only give errors from now on.
    pub fn is_fatal(&self) -> bool {
        self.0.fatal || matches!(self.0.kind, ErrorKind::Closed | ErrorKind::Internal)
    }

    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout || self.0.code == Some(ErrorCode::REQUEST_TIMED_OUT)
    }

    /// Whether a write may have happened although it failed: it was sent, and no answer came.
    /// When this is `false`, a failed record is definitely not in the log.
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        match (&inner.message, &inner.source, inner.code) {
            (Some(message), Some(source), _) if self.tells_cause() => {
                write!(f, "{message}: {source}")
            }
            // The code belongs to what failed: few callers print the chain of causes.
            (Some(message), _, Some(code)) => write!(f, "{message}: {code}"),
            (Some(message), _, None) => f.write_str(message),
            (None, Some(source), _) => source.fmt(f),
            (None, None, _) => write!(f, "{:?}", inner.kind),
        }
    }
}

/// The kind, and the message with all its causes: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        if self.0.ambiguous {
            f.write_str(" (it may have been written)")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        if self.tells_cause() { source.source() } else { Some(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn context_keeps_the_answers() {
        let error = Error::broker(ErrorCode::UNKNOWN_SERVER_ERROR, "inner").ambiguous();
        let outer = error.context("produce to orders[3]");
        assert!(outer.is_ambiguous());
        assert_eq!(outer.code(), Some(ErrorCode::UNKNOWN_SERVER_ERROR));
        assert!(outer.to_string().starts_with("produce to orders[3]: inner: UNKNOWN_SERVER_ERROR"));
    }

    #[test]
    fn a_code_is_told_once() {
        let code = ErrorCode::LEADER_NOT_AVAILABLE;
        let inner =
            Error::broker(code, "the election goes on").with_source(std::io::Error::other("why"));
        let outer = inner.clone().context("broker 1").context("elect a leader of orders[3]");
        let told = format!("elect a leader of orders[3]: broker 1: the election goes on: {code}");
        assert_eq!(outer.to_string(), told);
        assert_eq!(format!("{outer:?}"), format!("Broker: {told}: why"));
        // Another code is another failure.
        let other = Error::broker(ErrorCode::REQUEST_TIMED_OUT, "late").with_source(inner);
        assert!(!other.to_string().contains("the election goes on"));
        assert_eq!(format!("{other:?}").matches("the election goes on").count(), 1);
    }

    #[test]
    fn a_wrapped_error_is_told_once() {
        let cause = std::io::Error::other("why");
        let outer = Error::wrap(ErrorKind::Connection, cause).context("where");
        let chain: Vec<_> = std::iter::successors(Some(&outer as &dyn StdError), |e| (*e).source())
            .map(ToString::to_string)
            .collect();
        assert_eq!(chain, ["where", "why"]);
        assert_eq!(format!("{outer:?}"), "Connection: where: why");
    }

    #[test]
    fn says_at_once_what_kafka_is_needed() {
        let cause = std::io::Error::other("needs Kafka 2.6");
        let outer = Error::wrap(ErrorKind::Unsupported, cause).context("broker 1").context("quota");
        assert_eq!(outer.to_string(), "quota: broker 1: needs Kafka 2.6");
        assert_eq!(format!("{outer:?}"), format!("Unsupported: {outer}"));
    }
}
