//! One result for each item of an operation, and what several brokers say together.

use std::borrow::Borrow;
use std::fmt;

use crate::error::{Error, Result};

/// What became of each item of an operation, in the order in which they were asked for: one item
/// may fail while the others succeed.
#[derive(Clone, Debug)]
pub struct Results<K, T>(Vec<(K, Result<T>)>);

impl<K, T> Results<K, T> {
    pub(crate) fn new(results: Vec<(K, Result<T>)>) -> Self {
        Self(results)
    }

    /// The result of one item; `None` if it was not asked for.
    pub fn get<Q: Eq + ?Sized>(&self, item: &Q) -> Option<&Result<T>>
    where
        K: Borrow<Q>,
    {
        self.0.iter().find(|(key, _)| key.borrow() == item).map(|(_, result)| result)
    }

    /// Each item with its result.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Result<T>)> {
        self.0.iter().map(|(key, result)| (key, result))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values, if all items succeeded.
    ///
    /// # Errors
    ///
    /// That of the first item that failed.
    pub fn into_result(self) -> Result<Vec<(K, T)>> {
        self.0.into_iter().map(|(key, result)| Ok((key, result?))).collect()
    }
}

impl<K: PartialEq + fmt::Display, T> Results<K, T> {
    /// The value of the only item.
    ///
    /// # Errors
    ///
    /// That of the item; or that there is not exactly one.
    pub fn into_only(self) -> Result<T> {
        let count = self.0.len();
        match <[_; 1]>::try_from(self.0) {
            Ok([(_, result)]) => result,
            Err(_) => Err(Error::config(format!("expected one item, not {count}"))),
        }
    }
}

impl<K, T> IntoIterator for Results<K, T> {
    type Item = (K, Result<T>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What all brokers together listed. A broker that did not answer does not hide what the others
/// said; what only it knows is missing then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing<T> {
    /// What the brokers that answered said.
    pub items: Vec<T>,
    /// The brokers that did not answer, or with an error.
    pub failed: Vec<(i32, Error)>,
}

impl<T> Listing<T> {
    pub(super) fn new(brokers: Vec<(i32, Result<Vec<T>>)>) -> Self {
        let mut listing = Self { items: Vec::new(), failed: Vec::new() };
        for (broker, result) in brokers {
            match result {
                Ok(items) => listing.items.extend(items),
                Err(error) => listing.failed.push((broker, error)),
            }
        }
        listing
    }

    /// All of it, if all brokers answered.
    ///
    /// # Errors
    ///
    /// That of the first broker that did not.
    pub fn into_result(self) -> Result<Vec<T>> {
        match self.failed.into_iter().next() {
            None => Ok(self.items),
            Some((_, error)) => Err(error),
        }
    }
}
