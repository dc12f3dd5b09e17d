//! Batches: appending, checksums, both views of the records, and each codec. They are not public:
//! `RUSTFLAGS="--cfg kafkio_internals" cargo bench --bench batch`

#![allow(clippy::unwrap_used, reason = "a benchmark that fails should say where")]

#[cfg(not(kafkio_internals))]
fn main() {
    println!("needs RUSTFLAGS=\"--cfg kafkio_internals\"");
}

#[cfg(kafkio_internals)]
criterion::criterion_main!(benches::benches);

#[cfg(kafkio_internals)]
mod benches {
    use std::hint::black_box;
    use std::sync::Arc;

    use bytes::{Bytes, BytesMut};
    use criterion::{Criterion, Throughput, criterion_group};
    use kafkio::record::Codec;
    use kafkio::{Compression, Record, Timestamp, internals};

    /// Of what is written in one batch, and of what one may hold when it is decompressed.
    const BATCH: usize = 1 << 20;
    const LIMIT: usize = 16 << 20;

    criterion_group!(benches, append, read, codecs);

    fn append(criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("append");
        for size in [100, 1024] {
            let records = records(size);
            group.throughput(Throughput::Elements(records.len() as u64));
            group.bench_function(format!("{size} B"), |bencher| {
                bencher.iter_with_setup(
                    || BytesMut::with_capacity(BATCH * 2),
                    |buffer| encode(buffer, &records, Compression::none()),
                );
            });
        }
        group.finish();
    }

    fn read(criterion: &mut Criterion) {
        let topic: Arc<str> = "topic".into();
        for size in [100, 1024] {
            let records = records(size);
            let batch = encode(BytesMut::new(), &records, Compression::none());
            let decode = || internals::decode(batch.clone(), &topic, LIMIT).map(Result::unwrap);

            let mut group = criterion.benchmark_group(format!("read {size} B"));
            group.throughput(Throughput::Elements(records.len() as u64));
            group.bench_function("messages", |bencher| {
                bencher.iter(|| {
                    let messages = decode().flat_map(|batch| batch.messages());
                    messages.for_each(|message| {
                        black_box(message.unwrap());
                    });
                });
            });
            group.bench_function("records", |bencher| {
                bencher.iter(|| {
                    for batch in decode() {
                        batch.records().for_each(|record| {
                            black_box(record.unwrap().value());
                        });
                    }
                });
            });
            group.throughput(Throughput::Bytes(batch.len() as u64));
            group.bench_function("checksum", |bencher| {
                bencher.iter(|| internals::verify(batch.clone()).for_each(Result::unwrap));
            });
            group.finish();
        }
    }

    fn codecs(criterion: &mut Criterion) {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let compression = Compression::from(codec);
            let mut group = criterion.benchmark_group(codec.name());
            // A batch of a quiet topic, and one of a busy topic.
            for size in [4 * 1024, BATCH] {
                let plain = text(size);
                let Ok(compressed) = internals::compress(compression, &plain, 2) else {
                    continue;
                };
                group.throughput(Throughput::Bytes(size as u64));
                group.bench_function(
                    format!("compress {size} to {}", compressed.len()),
                    |bencher| {
                        bencher.iter(|| internals::compress(compression, &plain, 2).unwrap());
                    },
                );
                let id = codec as i16;
                group.bench_function(format!("decompress {size}"), |bencher| {
                    bencher.iter(|| internals::decompress(id, &compressed, 2, LIMIT).unwrap());
                });
            }
            group.finish();
        }
    }

    fn encode(buffer: BytesMut, records: &[Record], compression: Compression) -> Bytes {
        internals::encode(buffer, records, Timestamp::from_millis(0), compression).unwrap()
    }

    /// As many as fit a batch.
    fn records(size: usize) -> Vec<Record> {
        vec![Record::new(text(size)).key("key"); BATCH / size]
    }

    /// Half random, half words: shrinks about as much as real records do.
    fn text(size: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut text = Vec::with_capacity(size + 16);
        while text.len() < size {
            text.extend_from_slice(format!("{:08x}", rng.u32(..)).as_bytes());
            text.extend_from_slice(
                rng.choice([", \"id\": ", ", \"customer\": "]).unwrap().as_bytes(),
            );
        }
        text.truncate(size);
        text
    }
}
