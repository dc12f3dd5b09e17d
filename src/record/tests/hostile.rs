//! Damaged bytes of every format: nothing panics, spins, or makes more of them than they are.

use super::*;

/// What can be read must end, in fewer records than there are bytes.
fn devour(bytes: &Bytes) {
    let topic: Arc<str> = "t".into();
    let mut batches = 0;
    for raw in RawBatches::new(bytes.clone()) {
        batches += 1;
        assert!(batches <= bytes.len());
        let Ok(raw) = raw else { continue };
        let _ = raw.verify();
        let _ = raw.control();
        assert!(raw.size() <= bytes.len() && raw.next_offset() > raw.last_offset());
        let Ok(batch) = raw.decode(&topic, 0, MAX) else {
            continue;
        };
        assert!(batch.base_offset() >= 0 && batch.base_offset() <= batch.last_offset());
        let mut read = 0;
        let mut ended = false;
        for item in batch.messages() {
            assert!(!ended, "goes on after an error");
            read += 1;
            assert!(read <= batch.len() + 1);
            let Ok(found) = item else {
                ended = true;
                continue;
            };
            assert!((batch.base_offset()..=batch.last_offset()).contains(&found.offset()));
            assert_eq!(found.headers().count(), found.headers().len());
            assert_eq!(message(&found.detached()), message(&found));
            assert!(!format!("{found:?}").is_empty());
        }
        let from = batch.base_offset() + 1;
        let mut later = batch.clone().messages_from(from).flatten();
        assert!(later.all(|message| message.offset() >= from));
        assert!(batch.records().count() <= batch.len() + 1);
    }
}

fn mutate(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let place = random.usize(..bytes.len());
    match random.u8(..7) {
        0 => bytes[place] ^= 1 << random.u8(..8),
        1 => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)],
        2 => bytes.truncate(place),
        3 => bytes.insert(place, random.u8(..)),
        4 => drop(bytes.remove(place)),
        5 => {
            let end = bytes.len().min(place + random.usize(1..12));
            bytes[place..end].fill([0, 0x80, 0xff][random.usize(..3)]);
        }
        _ => {
            let end = bytes.len().min(place + random.usize(1..40));
            let part = bytes[place..end].to_vec();
            let to = random.usize(..=bytes.len());
            bytes.splice(to..to, part);
        }
    }
}

#[test]
fn mutations() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut samples = golden::samples();
    let headers = (0..30).map(|n| Header::new("h", vec![n; usize::from(n)]));
    samples.push(finish(&[(Record::new(vec![1; 300]).key("k").headers(headers), 1 << 40)]));
    // And all of them in one fetch.
    samples.push(samples.concat().into());
    for sample in &samples {
        devour(sample);
        for _ in 0..2000 {
            let mut bytes = sample.to_vec();
            for _ in 0..random.usize(1..4) {
                mutate(&mut random, &mut bytes);
            }
            devour(&bytes.into());
        }
    }
}

#[test]
fn noise() {
    let mut random = fastrand::Rng::with_seed(4);
    for round in 0..20_000usize {
        let mut bytes = vec![0; round % 200];
        random.fill(&mut bytes);
        if bytes.len() > 61 {
            // Plausible enough to get to the records.
            bytes[..21].copy_from_slice(&[0; 21]);
            let length = bytes.len() - 12;
            bytes[8..12].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            bytes[16] = random.u8(..3);
            bytes[17] &= 0x08;
            bytes[22] &= 0x3f;
            bytes[23] = 0;
            bytes[57..61].copy_from_slice(&random.u32(..9).to_be_bytes());
        }
        devour(&bytes.into());
    }
}
