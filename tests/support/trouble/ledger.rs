//! What writers were told of their records, held against what is in the log.

#![allow(dead_code, reason = "the program without a test harness has no unit tests")]

use std::collections::{BTreeMap, HashMap};

use kafkio::{Error, Message, Record};

/// What a writer was told of records that have one fate: of one record, or of those of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Written,
    Failed,
    Unknown,
}

/// A record: which one of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    pub key: usize,
    pub number: usize,
}

/// The partition and the offset.
pub type Place = (i32, i64);

/// All that is in each partition, in its order.
pub type Log = BTreeMap<i32, Vec<(i64, Id)>>;

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It was written, and is not there.
    Lost(Id),
    /// It is there more than once.
    Repeated(Id),
    /// It is there behind a later one of its key.
    Reordered(Id),
    /// It is in another partition than the others of its key.
    Strayed(Id),
    /// It failed, or was aborted, and is there.
    Visible(Id),
    /// It is elsewhere than its writer was told.
    Misplaced(Id),
    /// Of those that have its fate some are there, but not this one.
    Torn(Id),
    /// It is there, and was never sent.
    Unsent(Id),
}

/// Who was told what.
#[derive(Debug, Default)]
pub struct Ledger {
    fates: Vec<Fate>,
    /// Of each key, of each number.
    sent: Vec<Vec<Sent>>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Which of the fates it has.
    fate: usize,
    told: Option<Place>,
}

impl Id {
    pub fn record(self) -> Record {
        Record::new(self.number.to_string()).key(self.key.to_string())
    }

    pub fn of(message: &Message) -> Self {
        let parse = |bytes| std::str::from_utf8(bytes).ok()?.parse().ok();
        let key = message.key().and_then(parse).expect("keys are numbers");
        let number = message.value().and_then(parse).expect("values are numbers");
        Self { key, number }
    }
}

impl Fate {
    /// That of what has failed so.
    pub fn of(error: &Error) -> Self {
        if error.is_ambiguous() { Self::Unknown } else { Self::Failed }
    }
}

impl Ledger {
    /// Begins a fate, which is unknown as long as it is not told.
    pub fn begin(&mut self) -> usize {
        self.fates.push(Fate::Unknown);
        self.fates.len() - 1
    }

    /// The next record of the key, which will share that fate.
    pub fn send(&mut self, key: usize, fate: usize) -> Id {
        if self.sent.len() <= key {
            self.sent.resize_with(key + 1, Vec::new);
        }
        let sent = &mut self.sent[key];
        sent.push(Sent { fate, told: None });
        Id { key, number: sent.len() - 1 }
    }

    pub fn tell(&mut self, fate: usize, what: Fate) {
        self.fates[fate] = what;
    }

    /// Where the record is to be found, if it is.
    pub fn place(&mut self, id: Id, place: Place) {
        self.sent[id.key][id.number].told = Some(place);
    }

    /// How many have that fate.
    pub fn count(&self, what: Fate) -> usize {
        self.fates.iter().filter(|fate| **fate == what).count()
    }

    /// All that is wrong with the log.
    pub fn check(&self, log: &Log) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut found: Vec<Vec<Option<Place>>> =
            self.sent.iter().map(|sent| vec![None; sent.len()]).collect();
        let mut newest: HashMap<usize, (i32, usize)> = HashMap::new();
        for (&partition, records) in log {
            for &(offset, id) in records {
                let slot = found.get_mut(id.key).and_then(|numbers| numbers.get_mut(id.number));
                let Some(slot) = slot else {
                    wrong.push(Wrong::Unsent(id));
                    continue;
                };
                if slot.is_some() {
                    wrong.push(Wrong::Repeated(id));
                    continue;
                }
                *slot = Some((partition, offset));
                match newest.insert(id.key, (partition, id.number)) {
                    Some((other, _)) if other != partition => wrong.push(Wrong::Strayed(id)),
                    Some((_, before)) if before > id.number => wrong.push(Wrong::Reordered(id)),
                    _ => {}
                }
            }
        }
        let mut shown = vec![false; self.fates.len()];
        let all = || {
            self.sent.iter().zip(&found).enumerate().flat_map(|(key, (sent, found))| {
                let numbered = sent.iter().zip(found).enumerate();
                numbered.map(move |(number, (sent, found))| (Id { key, number }, sent, *found))
            })
        };
        for (_, sent, found) in all() {
            shown[sent.fate] |= found.is_some();
        }
        for (id, sent, found) in all() {
            match (self.fates[sent.fate], found) {
                (Fate::Written, None) => wrong.push(Wrong::Lost(id)),
                (Fate::Failed, Some(_)) => wrong.push(Wrong::Visible(id)),
                (Fate::Unknown, None) if shown[sent.fate] => wrong.push(Wrong::Torn(id)),
                (Fate::Written, Some(place)) if sent.told.is_some_and(|told| told != place) => {
                    wrong.push(Wrong::Misplaced(id));
                }
                _ => {}
            }
        }
        wrong
    }
}

#[cfg(test)]
#[allow(unused_imports, reason = "the program without a test harness has no unit tests")]
mod tests {
    use super::*;

    const A: [Id; 4] = ids(0);
    const B: [Id; 4] = ids(1);

    const fn ids(key: usize) -> [Id; 4] {
        [Id { key, number: 0 }, Id { key, number: 1 }, Id { key, number: 2 }, Id { key, number: 3 }]
    }

    /// Two keys with four records each, of these fates.
    fn ledger(fates: [Fate; 4]) -> Ledger {
        let mut ledger = Ledger::default();
        for key in 0..2 {
            for what in fates {
                let fate = ledger.begin();
                ledger.send(key, fate);
                ledger.tell(fate, what);
            }
        }
        ledger
    }

    /// Two transactions, of two records of each key.
    fn transactions(first: Fate, second: Fate) -> Ledger {
        let mut ledger = Ledger::default();
        for what in [first, second] {
            let fate = ledger.begin();
            for key in [0, 0, 1, 1] {
                ledger.send(key, fate);
            }
            ledger.tell(fate, what);
        }
        ledger
    }

    fn log(first: &[Id], second: &[Id]) -> Log {
        let records = |ids: &[Id]| (0..).zip(ids.iter().copied()).collect();
        [(0, records(first)), (1, records(second))].into()
    }

    #[test]
    fn what_is_as_told_is_right() {
        let written = ledger([Fate::Written; 4]);
        assert_eq!(written.check(&log(&A, &B)), []);
        // Keys may share a partition, in any order.
        let mixed = [A[0], B[0], B[1], A[1], A[2], B[2], B[3], A[3]];
        assert_eq!(written.check(&log(&mixed, &[])), []);
        let mixed = ledger([Fate::Written, Fate::Failed, Fate::Unknown, Fate::Unknown]);
        assert_eq!(mixed.check(&log(&[A[0], A[2]], &[B[0], B[3]])), []);
        assert_eq!(mixed.count(Fate::Unknown), 4);
    }

    #[test]
    fn what_was_written_is_not_lost() {
        let written = ledger([Fate::Written; 4]);
        assert_eq!(written.check(&log(&A, &B[..3])), [Wrong::Lost(B[3])]);
        assert_eq!(written.check(&log(&[A[0], A[2], A[3]], &B)), [Wrong::Lost(A[1])]);
        assert_eq!(written.check(&Log::new()).len(), 8);
    }

    #[test]
    fn nothing_is_there_twice() {
        let repeated = [A[0], A[1], A[1], A[2], A[3]];
        for fate in [Fate::Written, Fate::Unknown] {
            let ledger = ledger([fate; 4]);
            assert_eq!(ledger.check(&log(&repeated, &B)), [Wrong::Repeated(A[1])]);
            assert_eq!(
                ledger.check(&log(&A, &[&B[..], &[A[3]]].concat())),
                [Wrong::Repeated(A[3])]
            );
        }
    }

    #[test]
    fn order_is_kept() {
        let written = ledger([Fate::Written; 4]);
        let swapped = [A[0], A[2], A[1], A[3]];
        assert_eq!(written.check(&log(&swapped, &B)), [Wrong::Reordered(A[1])]);
        let strayed = written.check(&log(&A[..3], &[&B[..], &[A[3]]].concat()));
        assert_eq!(strayed, [Wrong::Strayed(A[3])]);
    }

    #[test]
    fn what_failed_is_not_there() {
        let ledger = ledger([Fate::Written, Fate::Failed, Fate::Written, Fate::Unknown]);
        let found = log(&[A[0], A[2]], &[B[0], B[1], B[2]]);
        assert_eq!(ledger.check(&found), [Wrong::Visible(B[1])]);
    }

    #[test]
    fn records_are_where_it_was_told() {
        let mut ledger = ledger([Fate::Written; 4]);
        ledger.place(A[2], (0, 2));
        assert_eq!(ledger.check(&log(&A, &B)), []);
        ledger.place(A[2], (0, 3));
        assert_eq!(ledger.check(&log(&A, &B)), [Wrong::Misplaced(A[2])]);
    }

    #[test]
    fn nothing_comes_from_nowhere() {
        let unsent = [Id { key: 1, number: 4 }, Id { key: 2, number: 0 }];
        let ledger = ledger([Fate::Written; 4]);
        let wrong = ledger.check(&log(&A, &[&B[..], &unsent].concat()));
        assert_eq!(wrong, unsent.map(Wrong::Unsent));
    }

    #[test]
    fn aborted_transactions_are_invisible() {
        let ledger = transactions(Fate::Written, Fate::Failed);
        assert_eq!(ledger.check(&log(&A[..2], &B[..2])), []);
        assert_eq!(ledger.check(&log(&A[..3], &B[..2])), [Wrong::Visible(A[2])]);
    }

    #[test]
    fn transactions_are_whole() {
        for fate in [Fate::Written, Fate::Unknown] {
            let ledger = transactions(fate, fate);
            assert_eq!(ledger.check(&log(&A, &B)), []);
            let wrong = if fate == Fate::Written { Wrong::Lost } else { Wrong::Torn };
            assert_eq!(ledger.check(&log(&A, &B[..3])), [wrong(B[3])]);
        }
        let unknown = transactions(Fate::Unknown, Fate::Unknown);
        assert_eq!(unknown.check(&log(&A[..2], &B[..2])), []);
        assert_eq!(unknown.check(&Log::new()), []);
    }
}
