//! SCRAM credentials of users: passwords that brokers check without knowing them (KIP-554). Needs
//! Kafka 2.7; to change them, 3.5 in clusters without `ZooKeeper`.
//!
//! ```no_run
//! # // Compiled only: it needs brokers that keep credentials.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use kafkio::admin::users::{ScramChange, ScramMechanism};
//!
//! let alice = ScramChange::set("alice", ScramMechanism::Sha512, "correct horse").iterations(8192);
//! let bob = ScramChange::delete("bob", ScramMechanism::Sha256);
//! let changed = client.alter_user_scram_credentials([alice, bob]).await?;
//! assert!(changed.get("alice").unwrap().is_ok());
//!
//! let users = client.describe_user_scram_credentials(["alice"]).await?;
//! assert_eq!(users.into_only()?[0].iterations, 8192);
//! # Ok(()) }
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};

use super::sealed::{Context, Run};
use super::{Results, Running, check_once, codes};
use crate::cluster::{Answers, At, Split, Target, check_response, split};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ScramCredentialDeletion,
    ScramCredentialUpsertion,
};
use crate::protocol::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, UserName,
};
use crate::task;
use crate::wire::Secret;

codes! {
    /// How a password is salted and checked.
    enum ScramMechanism {
        /// `SCRAM-SHA-256`
        Sha256 = 1,
        /// `SCRAM-SHA-512`
        Sha512 = 2,
    }
}

impl ScramMechanism {
    /// What the client and the broker prove to each other that they know.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut salted = vec![0; if self == Self::Sha512 { 64 } else { 32 }];
        match self {
            Self::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
            _ => pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
        }
        salted
    }
}

/// A credential that a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScramCredential {
    /// For this mechanism.
    pub mechanism: ScramMechanism,
    /// How often the password was hashed.
    pub iterations: i32,
}

/// Lists the credentials of users: see
/// [`Client::describe_user_scram_credentials`](crate::Client::describe_user_scram_credentials).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeUserScramCredentials {
    users: Option<Vec<String>>,
}

impl DescribeUserScramCredentials {
    /// Lists those of these users.
    pub fn new<S: Into<String>>(users: impl IntoIterator<Item = S>) -> Self {
        Self { users: Some(users.into_iter().map(Into::into).collect()) }
    }

    /// Lists those of all users that have one.
    pub fn all() -> Self {
        Self { users: None }
    }
}

impl Run for DescribeUserScramCredentials {
    /// A user that has none is `RESOURCE_NOT_FOUND`.
    type Output = Results<String, Vec<ScramCredential>>;

    fn check(&self) -> Result<()> {
        check_users(self.users.iter().flatten())?;
        check_once("user", self.users.iter().flatten())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            // An empty list would ask about all.
            if self.users.as_ref().is_some_and(Vec::is_empty) {
                return Ok(Results::new(Vec::new()));
            }
            let request = |_: &At| {
                let user = |name: &String| UserName { name: name.clone(), ..Default::default() };
                // All of them are an empty list: to null, Kafka 4.3 never answers those who may
                // not.
                let users = self.users.iter().flatten().map(user).collect();
                Ok(DescribeUserScramCredentialsRequest { users: Some(users), ..Default::default() })
            };
            let what = "describe SCRAM credentials";
            let found =
                cluster.ask(&Target::Controller, deadline, what, request, described).await?;
            let Some(users) = self.users else { return Ok(Results::new(found)) };
            let of = |user: String| {
                let found = found.iter().find(|(name, _)| *name == user);
                let missing = || {
                    Err(Error::new(
                        ErrorKind::Protocol,
                        format!("{what} of {user}: not in the answer"),
                    ))
                };
                let result = found.map_or_else(missing, |(_, result)| result.clone());
                (user, result)
            };
            Ok(Results::new(users.into_iter().map(of).collect()))
        })
    }
}

fn described(
    response: DescribeUserScramCredentialsResponse,
) -> Result<Vec<(String, Result<Vec<ScramCredential>>)>> {
    check_response(response.error_code, response.error_message)?;
    let users = response.results.into_iter().map(|it| {
        let credentials = it.credential_infos.into_iter().map(|info| ScramCredential {
            mechanism: ScramMechanism::from_code(info.mechanism),
            iterations: info.iterations,
        });
        // Brokers have them in any order.
        let mut credentials: Vec<_> = credentials.collect();
        credentials.sort_by_key(|credential| credential.mechanism);
        let result = check_response(it.error_code, it.error_message).map(|()| credentials);
        let context =
            |error: Error| error.context(format!("describe SCRAM credentials of {}", it.user));
        let result = result.map_err(context);
        (it.user, result)
    });
    Ok(users.collect())
}

/// A credential to be set or deleted. Passwords are not printed.
#[derive(Clone, Debug)]
#[must_use = "credentials are changed by `Client::alter_user_scram_credentials`"]
pub struct ScramChange {
    user: String,
    mechanism: ScramMechanism,
    credential: Option<NewCredential>,
}

#[derive(Clone, Debug)]
struct NewCredential {
    password: Secret,
    iterations: u32,
    salt: Option<Bytes>,
}

/// What brokers accept; the upper end is the same for all mechanisms.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=16384;

impl ScramChange {
    /// Sets the password of a user for this mechanism. Only its salted hash is sent.
    pub fn set(
        user: impl Into<String>,
        mechanism: ScramMechanism,
        password: impl Into<String>,
    ) -> Self {
        let password = Secret(password.into().into());
        let credential = NewCredential { password, iterations: *ITERATIONS.start(), salt: None };
        Self { user: user.into(), mechanism, credential: Some(credential) }
    }

    /// Deletes the credential of a user for this mechanism.
    pub fn delete(user: impl Into<String>, mechanism: ScramMechanism) -> Self {
        Self { user: user.into(), mechanism, credential: None }
    }

    /// How often to hash the new password: 4096 to 16384. Default: 4096.
    pub fn iterations(mut self, iterations: u32) -> Self {
        if let Some(credential) = &mut self.credential {
            credential.iterations = iterations;
        }
        self
    }

    /// What to hash the new password with. Default: 32 random bytes.
    pub fn salt(mut self, salt: impl Into<Bytes>) -> Self {
        if let Some(credential) = &mut self.credential {
            credential.salt = Some(salt.into());
        }
        self
    }

    fn check(&self) -> Result<()> {
        let Self { user, mechanism, credential } = self;
        let refuse = |why: &str| Err(Error::config(format!("credential of {user}: {why}")));
        match credential {
            _ if matches!(mechanism, ScramMechanism::Other(_)) => refuse("unknown mechanism"),
            Some(new) if new.password.0.is_empty() => refuse("the password is empty"),
            Some(new) if new.salt.as_ref().is_some_and(Bytes::is_empty) => refuse("salt is empty"),
            Some(new) if !ITERATIONS.contains(&new.iterations) => {
                refuse("iterations must be 4096 to 16384")
            }
            _ => Ok(()),
        }
    }
}

/// Sets and deletes credentials: see
/// [`Client::alter_user_scram_credentials`](crate::Client::alter_user_scram_credentials).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterUserScramCredentials {
    changes: Vec<ScramChange>,
}

impl AlterUserScramCredentials {
    /// Makes these changes.
    pub fn new(changes: impl IntoIterator<Item = ScramChange>) -> Self {
        Self { changes: changes.into_iter().collect() }
    }
}

impl Run for AlterUserScramCredentials {
    /// By user. One of whom several credentials change fails with the first that does; the others
    /// may have changed.
    type Output = Results<String, ()>;

    fn check(&self) -> Result<()> {
        check_users(self.changes.iter().map(|change| &change.user))?;
        let mut seen = BTreeSet::new();
        for change in &self.changes {
            change.check()?;
            if !seen.insert((&change.user, change.mechanism)) {
                let text = format!("credential of {} is changed twice", change.user);
                return Err(Error::config(text));
            }
        }
        Ok(())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let work = || self.changes.into_iter().map(salted).collect::<Result<Vec<_>>>();
            let changes = task::compute(work).await;
            let changes = changes.map_err(|error| Error::wrap(ErrorKind::Closed, error))??;
            let mut users = Vec::<(String, Result<()>)>::new();
            for (user, result) in split(&cluster, deadline, &Alter, changes).await? {
                match users.iter_mut().find(|(name, _)| *name == user) {
                    Some((_, before)) if before.is_ok() => *before = result,
                    Some(_) => {}
                    None => users.push((user, result)),
                }
            }
            Ok(Results::new(users))
        })
    }
}

/// A change as it is sent.
#[derive(Clone, Debug)]
enum Salted {
    Delete(ScramCredentialDeletion),
    Set(ScramCredentialUpsertion),
}

/// Salts the password: milliseconds.
fn salted(change: ScramChange) -> Result<Salted> {
    let ScramChange { user: name, mechanism, credential } = change;
    let Some(new) = credential else {
        let mechanism = mechanism.code();
        return Ok(Salted::Delete(ScramCredentialDeletion {
            name,
            mechanism,
            ..Default::default()
        }));
    };
    let salt = new.salt.map_or_else(random_salt, Ok)?;
    Ok(Salted::Set(ScramCredentialUpsertion {
        name,
        mechanism: mechanism.code(),
        iterations: i32::try_from(new.iterations).unwrap_or(i32::MAX),
        salted_password: mechanism.salted(&new.password.0, &salt, new.iterations).into(),
        salt,
        ..Default::default()
    }))
}

fn random_salt() -> Result<Bytes> {
    let mut salt = vec![0; 32];
    match getrandom::fill(&mut salt) {
        Ok(()) => Ok(salt.into()),
        Err(error) => Err(Error::config(format!("the system gives no random bytes: {error}"))),
    }
}

fn check_users<'a>(users: impl IntoIterator<Item = &'a String>) -> Result<()> {
    if users.into_iter().any(String::is_empty) {
        return Err(Error::config("a user has an empty name"));
    }
    Ok(())
}

/// The key of a change is its user: brokers since 3.5 refuse two of one user in one request.
struct Alter;

impl Split for Alter {
    type Item = Salted;
    type Key = String;
    type Request = AlterUserScramCredentialsRequest;
    type Value = ();
    const WHAT: &'static str = "alter SCRAM credentials of";

    fn key(&self, item: &Salted) -> String {
        match item {
            Salted::Delete(it) => it.name.clone(),
            Salted::Set(it) => it.name.clone(),
        }
    }

    fn target(&self, _: &Salted) -> Target {
        Target::Controller
    }

    #[inline]
    fn request(&self, items: &[Salted], _: &At) -> Result<AlterUserScramCredentialsRequest> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for item in items.iter().cloned() {
            match item {
                Salted::Delete(it) => request.deletions.push(it),
                Salted::Set(it) => request.upsertions.push(it),
            }
        }
        Ok(request)
    }

    #[inline]
    fn answers(
        &self,
        _: &[Salted],
        response: AlterUserScramCredentialsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        for result in response.results {
            answers.insert(result.user, result.error_code, result.error_message, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The salt and password of the example of RFC 7677, with the results of Python's hashlib.
    #[test]
    fn passwords_are_salted() {
        let hex = |bytes: Vec<u8>| {
            bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
        };
        let salt = 0x5b6d_9968_9d12_358e_eca0_4b14_1236_fa81_u128.to_be_bytes();
        let salted = |mechanism: ScramMechanism| hex(mechanism.salted(b"pencil", &salt, 4096));
        assert_eq!(
            salted(ScramMechanism::Sha256),
            "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"
        );
        assert_eq!(
            salted(ScramMechanism::Sha512),
            "f16efe1be67f1d09502ebd5ed9262fddffba5a377ab4f0b687e5ed5ba0f50686\
             b8a4ae166476da8ab3b951d2fa9238b63998f45461bc33a464814949cec9631d"
        );
    }

    #[test]
    fn passwords_are_not_printed_and_salts_differ() {
        let set = |user| ScramChange::set(user, ScramMechanism::Sha256, "hunter2");
        assert!(!format!("{:?}", set("a")).contains("hunter2"));
        let [Salted::Set(a), Salted::Set(b)] = ["a", "b"].map(|user| salted(set(user)).unwrap())
        else {
            panic!("not set")
        };
        assert_ne!(a.salt, b.salt);
        assert!(format!("{a:?}").contains("salted_password: <32 bytes>"));
    }
}
