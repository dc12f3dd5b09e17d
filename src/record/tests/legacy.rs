//! Message sets of formats 0 and 1: runs of messages.

use super::*;

fn set(magic: u8) -> Vec<u8> {
    let records = [(Record::new("a"), 1), (Record::new("b"), 2), (Record::new("c"), 3)];
    encode(&records).finish_legacy(magic, Compression::none()).unwrap().to_vec()
}

/// Puts the checksum of a message right.
fn sign_message(message: &mut [u8]) {
    let checksum = crc32fast::hash(&message[16..]);
    message[12..16].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn a_run_ends_where_messages_differ() {
    let sizes = |bytes: &[u8]| -> Vec<_> {
        raw(&bytes.to_vec().into())
            .iter()
            .map(|run| (run.base_offset(), run.last_offset()))
            .collect()
    };
    for magic in [0, 1] {
        let bytes = set(magic);
        let each = bytes.len() / 3;
        assert_eq!(sizes(&bytes), [(0, 2)]);

        // Gaps are fine, as long as the offsets go up and their distance can be told.
        let mut gaps = bytes.clone();
        gaps[each..each + 8].copy_from_slice(&70i64.to_be_bytes());
        gaps[2 * each..2 * each + 8].copy_from_slice(&(1i64 << 40).to_be_bytes());
        assert_eq!(sizes(&gaps), [(0, 70), (1 << 40, 1 << 40)]);

        let mut back = bytes.clone();
        back[2 * each..2 * each + 8].copy_from_slice(&1i64.to_be_bytes());
        assert_eq!(sizes(&back), [(0, 1), (1, 1)]);

        // Another format, another source of timestamps, a compressed message.
        let other = [bytes.as_slice(), &set(1 - magic)].concat();
        assert_eq!(sizes(&other), [(0, 2), (0, 2)]);
        for attributes in [1, 8] {
            let mut changed = bytes.clone();
            changed[each + 17] = attributes;
            let expected: &[_] =
                if (magic, attributes) == (0, 8) { &[(0, 2)] } else { &[(0, 0), (1, 1), (2, 2)] };
            assert_eq!(sizes(&changed), expected);
        }
    }
}

#[test]
fn a_message_that_is_cut_off_is_not_there() {
    for magic in [0, 1] {
        let bytes = set(magic);
        let each = bytes.len() / 3;
        for cut in 0..=bytes.len() {
            let runs = raw(&bytes[..cut].to_vec().into());
            assert_eq!(runs.iter().map(RawBatch::size).sum::<usize>(), cut / each * each);
        }
    }
}

#[test]
fn every_message_has_a_checksum() {
    for magic in [0, 1] {
        let bytes = set(magic);
        let each = bytes.len() / 3;
        for n in 0..3 {
            let mut changed = bytes.clone();
            changed[(n + 1) * each - 1] ^= 1;
            let error = decode(&changed.into()).unwrap_err();
            assert!(matches!(error, RecordError::Checksum { .. }), "message {n}: {error}");
        }
    }
}

#[test]
fn fields_must_end_with_their_message() {
    for magic in [0, 1] {
        let bytes = set(magic);
        let each = bytes.len() / 3;
        // The length of the value is in front of its one byte.
        for (length, error) in [
            (0, RecordError::Trailing),
            (2, RecordError::Length),
            (-2, RecordError::Length),
            (i32::MAX, RecordError::Length),
            (i32::MIN, RecordError::Length),
        ] {
            let mut changed = bytes.clone();
            changed[each - 5..each - 1].copy_from_slice(&i32::to_be_bytes(length));
            sign_message(&mut changed[..each]);
            let batch = batch(&changed.into());
            assert_eq!(read(&batch), Err(error), "{length}");
        }
    }
}

#[test]
fn headers_of_messages_that_cannot_be() {
    for (place, with, error) in [
        (0, vec![0xff; 8], RecordError::Offset),
        (0, i64::MAX.to_be_bytes().to_vec(), RecordError::Offset),
        (8, vec![0xff; 4], RecordError::Length),
        (8, vec![0, 0, 0, 13], RecordError::Length),
    ] {
        let mut changed = set(1);
        changed[place..place + with.len()].copy_from_slice(&with);
        let mut batches = RawBatches::new(changed.into());
        assert_eq!(batches.next().unwrap().unwrap_err(), error);
        assert!(batches.next().is_none());
    }
}

#[test]
fn old_formats_have_no_headers() {
    let records = [(Record::new("a").header("h", "v"), 1)];
    let error = encode(&records).finish_legacy(1, Compression::none()).unwrap_err();
    assert_eq!(error, RecordError::Headers);
}

#[cfg(feature = "gzip")]
mod wrappers {
    use super::*;

    /// A gzip message around these bytes.
    fn wrap(magic: u8, offset: i64, attributes: u8, timestamp: i64, inner: &[u8]) -> Bytes {
        let mut value = BytesMut::new();
        Compression::gzip().compress(inner, magic, &mut value).unwrap();
        let mut message = offset.to_be_bytes().to_vec();
        message.extend([0; 8]);
        message.extend([magic, attributes | 1]);
        if magic > 0 {
            message.extend(timestamp.to_be_bytes());
        }
        message.extend((-1i32).to_be_bytes());
        message.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
        message.extend(&value);
        let length = i32::try_from(message.len() - 12).unwrap();
        message[8..12].copy_from_slice(&length.to_be_bytes());
        sign_message(&mut message);
        message.into()
    }

    fn offsets(bytes: &Bytes) -> Result<Vec<i64>, RecordError> {
        let batches = decode(bytes)?;
        let read: Vec<_> = batches.iter().map(read).collect::<Result<_, _>>()?;
        Ok(read.into_iter().flatten().map(|(offset, ..)| offset).collect())
    }

    #[test]
    fn relative_offsets_end_at_the_wrapper_s() {
        assert_eq!(offsets(&wrap(1, 102, 0, 9, &set(1))), Ok(vec![100, 101, 102]));
        // Formats may differ inside.
        assert_eq!(offsets(&wrap(1, 102, 0, 9, &set(0))), Ok(vec![100, 101, 102]));
        // Absolute ones are right already.
        assert_eq!(offsets(&wrap(0, 2, 0, 9, &set(0))), Ok(vec![0, 1, 2]));
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &set(1))), Ok(vec![0, 1, 2]));
        assert_eq!(offsets(&wrap(0, 7, 0, 9, &set(0))), Ok(vec![0, 1, 2]));
        for magic in [0, 1] {
            assert_eq!(offsets(&wrap(magic, 1, 0, 9, &set(magic))), Err(RecordError::Offset));
        }
    }

    #[test]
    fn the_broker_s_time_is_that_of_the_wrapper() {
        for (attributes, times) in [(0, [1, 2, 3]), (8, [9, 9, 9])] {
            let batch = batch(&wrap(1, 2, attributes, 9, &set(1)));
            let read: Vec<_> = read(&batch).unwrap().into_iter().map(|read| read.1).collect();
            assert_eq!(read, times);
        }
    }

    #[test]
    fn what_is_inside_is_checked() {
        let each = set(1).len() / 3;
        let mut damaged = set(1);
        damaged[each - 1] ^= 1;
        let error = offsets(&wrap(1, 2, 0, 9, &damaged)).unwrap_err();
        assert!(matches!(error, RecordError::Checksum { .. }));

        let nested = wrap(1, 2, 0, 9, &set(1));
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &nested)), Err(RecordError::Nested));
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &[])), Err(RecordError::Empty));
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &set(1)[..each + 9])), Err(RecordError::Truncated));

        let mut negative = set(1);
        negative[0] = 0x80;
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &negative)), Err(RecordError::Offset));
        let mut back = set(1);
        back[2 * each + 7] = 0;
        assert_eq!(offsets(&wrap(1, 2, 0, 9, &back)), Err(RecordError::Offset));
    }

    #[test]
    fn a_compressed_set_comes_back() {
        let records = [(Record::new("a").key("k"), 5), (Record::tombstone("b"), 7)];
        for (magic, times) in [(0, [-1, -1]), (1, [5, 7])] {
            let bytes = encode(&records).finish_legacy(magic, Compression::gzip()).unwrap();
            let batch = batch(&bytes);
            let expected =
                [text(0, times[0], Some("k"), Some("a")), text(1, times[1], Some("b"), None)];
            assert_eq!(read(&batch).unwrap(), expected);
        }
    }
}
