//! Round trips, limits, hostile bytes, and what Java wrote.

use super::*;

const LIMIT: usize = 16 << 20;

/// The codecs that are built in.
fn built() -> impl Iterator<Item = Codec> {
    Codec::ALL.into_iter().filter(|codec| codec.is_built())
}

fn compressed(compression: Compression, magic: u8, plain: &[u8]) -> Bytes {
    let mut dst = BytesMut::from("before");
    compression.compress(plain, magic, &mut dst).unwrap();
    assert_eq!(&dst[..6], b"before", "compress appends");
    dst.freeze().slice(6..)
}

#[track_caller]
fn assert_round_trip(compression: Compression, magic: u8, plain: &[u8]) {
    let bytes = compressed(compression, magic, plain);
    let back = compression.decompress(&bytes, magic, plain.len());
    assert_eq!(back.as_deref(), Ok(plain), "{compression}, {} bytes", plain.len());
}

fn random(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.u8(..)).collect()
}

fn words(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(
            rng.choice(["order", "id", "customer", "=", "17", ", "]).unwrap().as_bytes(),
        );
    }
    out.truncate(len);
    out
}

#[cfg(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
fn unhex(hex: &str) -> Bytes {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn what_goes_in_comes_out() {
    let mut rng = fastrand::Rng::with_seed(1);
    for size in [0, 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 64 * 1024, 1 << 20] {
        for plain in [random(&mut rng, size), words(&mut rng, size), vec![7; size]] {
            for codec in built() {
                assert_round_trip(codec.into(), 2, &plain);
            }
        }
    }
}

#[test]
fn every_level_round_trips() {
    let mut rng = fastrand::Rng::with_seed(2);
    let plain = words(&mut rng, 20_000);
    for codec in built() {
        for level in (-5..=22).chain([-131_072]) {
            let compression = Compression::from(codec).level(level);
            if compression.check().is_ok() {
                assert_round_trip(compression, 2, &plain);
            }
        }
    }
}

#[test]
#[cfg(all(feature = "gzip", feature = "zstd"))]
fn a_higher_level_shrinks_more() {
    let plain = words(&mut fastrand::Rng::with_seed(3), 100_000);
    let size = |compression| compressed(compression, 2, &plain).len();
    assert!(size(Compression::zstd().level(19)) < size(Compression::zstd().level(1)));
    assert!(size(Compression::gzip().level(9)) < size(Compression::gzip().level(1)));
}

#[test]
fn levels_are_checked() {
    for valid in [
        Compression::none(),
        Compression::gzip().level(1),
        Compression::gzip().level(9),
        Compression::snappy(),
        Compression::lz4().level(17),
        Compression::zstd().level(-131_072),
        Compression::zstd().level(22),
    ] {
        if valid.codec().is_built() {
            assert_eq!(valid.check(), Ok(()), "{valid}");
        }
    }
    for invalid in [
        Compression::none().level(1),
        Compression::gzip().level(0),
        Compression::gzip().level(10),
        Compression::snappy().level(1),
        Compression::lz4().level(18),
        Compression::zstd().level(23),
    ] {
        assert!(invalid.check().is_err(), "{invalid}");
    }
}

#[test]
#[cfg(feature = "gzip")]
fn a_wrong_level_says_what_is_right() {
    assert_eq!(
        Compression::gzip().level(12).check().unwrap_err().to_string(),
        "compression level 12 of gzip: must be from 1 to 9"
    );
}

#[test]
fn a_missing_codec_says_which_feature_it_needs() {
    assert_eq!(
        RecordError::CodecNotBuilt(Codec::Zstd).to_string(),
        "zstd is not built in: enable the cargo feature `zstd` of kafkio"
    );
    for codec in Codec::ALL.into_iter().filter(|codec| !codec.is_built()) {
        let compression = Compression::from(codec);
        let missing = RecordError::CodecNotBuilt(codec);
        assert_eq!(compression.check(), Err(missing.clone()));
        assert_eq!(compression.compress(b"a", 2, &mut BytesMut::new()), Err(missing.clone()));
        assert_eq!(compression.decompress(&Bytes::from_static(b"a"), 2, 9), Err(missing));
    }
}

#[test]
fn ids_and_names() {
    for (id, codec) in Codec::ALL.into_iter().enumerate() {
        let compression = Compression::from(codec);
        assert_eq!(usize::try_from(compression.id()), Ok(id));
        assert_eq!(Compression::from_id(compression.id()), Ok(compression));
        assert_eq!(Compression::try_from(codec.name()), Ok(compression));
        let leveled = compression.level(-3);
        assert_eq!(leveled.to_string().parse(), Ok(leveled));
    }
    assert_eq!(Compression::from_id(5), Err(RecordError::UnknownCodec(5)));
    assert_eq!(Compression::from_id(-1), Err(RecordError::UnknownCodec(-1)));
    for text in ["", "GZIP", "gzip:", "gzip:x", "brotli"] {
        assert_eq!(text.parse::<Compression>(), Err(RecordError::UnknownCompression(text.into())));
    }
}

#[test]
fn the_limit_is_exact() {
    let plain = words(&mut fastrand::Rng::with_seed(4), 200_000);
    for codec in built() {
        let compression = Compression::from(codec);
        let bytes = compressed(compression, 2, &plain);
        assert_eq!(compression.decompress(&bytes, 2, 200_000).as_deref(), Ok(&*plain), "{codec}");
        for limit in [0, 1, 64 * 1024, 199_999] {
            assert_eq!(
                compression.decompress(&bytes, 2, limit),
                Err(RecordError::DecompressedTooLarge { limit }),
                "{codec}"
            );
        }
    }
}

#[test]
fn a_bomb_is_an_error() {
    let limit = 1 << 20;
    for codec in built() {
        let compression = Compression::from(codec);
        let bomb = compressed(compression, 2, &vec![0; 10 << 20]);
        assert_eq!(
            compression.decompress(&bomb, 2, limit),
            Err(RecordError::DecompressedTooLarge { limit })
        );
    }
}

#[test]
fn nothing_is_kept_beyond_what_came_out() {
    let plain = words(&mut fastrand::Rng::with_seed(5), 3000);
    for codec in built() {
        let compression = Compression::from(codec);
        let back = compression.decompress(&compressed(compression, 2, &plain), 2, LIMIT).unwrap();
        let capacity = back.try_into_mut().map_or(plain.len(), |bytes| bytes.capacity());
        assert!(capacity <= plain.len() * 5 / 4, "{codec} keeps {capacity}");
    }
}

#[test]
fn what_is_cut_off_is_an_error_or_shorter() {
    let plain = words(&mut fastrand::Rng::with_seed(6), 600);
    for codec in built().filter(|&codec| codec != Codec::None) {
        for magic in [0, 2] {
            let compression = Compression::from(codec);
            let bytes = compressed(compression, magic, &plain);
            for len in 0..bytes.len() {
                if let Ok(back) = compression.decompress(&bytes.slice(..len), magic, LIMIT) {
                    assert!(back.len() < plain.len(), "{codec} at {len}");
                }
            }
        }
    }
}

#[test]
fn damaged_bytes_do_no_harm() {
    let mut rng = fastrand::Rng::with_seed(7);
    for codec in built() {
        let compression = Compression::from(codec);
        let seeds: Vec<_> = [0, 40, 3000, 100_000]
            .map(|size| compressed(compression, 2, &words(&mut rng, size)).to_vec())
            .into();
        for round in 0..5_000 {
            // The large one costs more and shows less.
            let seed = if round % 50 == 0 { 3 } else { rng.usize(..3) };
            let mut bytes = seeds[seed].clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len().max(1)).min(rng.usize(..64));
                match rng.u8(..4) {
                    0 => bytes.insert(at.min(bytes.len()), rng.u8(..)),
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
                    _ => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = rng.u8(..)),
                }
            }
            let limit = rng.usize(..200_000);
            if let Ok(back) = compression.decompress(&bytes.into(), rng.u8(..3), limit) {
                assert!(back.len() <= limit);
            }
        }
    }
}

/// What `java.io.OutputStream`s of kafka-clients 4.3.0 made of [`text`].
#[cfg(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod java {
    use super::*;

    fn text() -> String {
        let line = |i| format!("the quick brown fox jumps over the lazy dog, {i}\n");
        (0..8).map(line).collect()
    }

    #[track_caller]
    fn assert_reads(compression: Compression, magic: u8, hex: &str) {
        let back = compression.decompress(&unhex(hex), magic, LIMIT).unwrap();
        assert_eq!(back, text().as_bytes());
    }

    const GZIP: &str = "
        1f8b08000000000000ff2bc94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014ae7
        2456552aa4e4a7eb2818709590a2dc9034e546a42937264db90969ca4d49536e469a72732e009c3e1213780100
        00";
    const SNAPPY_RAW: &str = "
        f8027874686520717569636b2062726f776e20666f78206a756d7073206f76657220011f2c6c617a7920646f67
        2c20300a0110a22f000031b62f000032b62f000033b62f000034b62f000035b62f000036b62f0004370a";
    const LZ4_BLOCKS: &str = "
        5a000000f01074686520717569636b2062726f776e20666f78206a756d7073206f766572201f00c06c617a7920
        646f672c20300a10000f2f00161f312f001b1f322f001b1f332f001b1f342f001b1f352f001b1f362f00185067
        2c20370a00000000";
    const ZSTD: &str = "
        28b52ffd0058440200740374686520717569636b2062726f776e20666f78206a756d7073206f76657220746865
        206c617a7920646f672c20300a313233343536370a0704240319dc800d64700376a5d203010000";

    #[test]
    fn gzip() {
        assert_reads(Compression::gzip(), 2, GZIP);
        assert_eq!(
            Compression::gzip().decompress(
                &unhex("1f8b08000000000000ff03000000000000000000"),
                2,
                0
            ),
            Ok(Bytes::new())
        );
    }

    #[test]
    fn gzip_members_follow_each_other() {
        let twice = [unhex(GZIP), unhex(GZIP)].concat().into();
        let back = Compression::gzip().decompress(&twice, 2, LIMIT).unwrap();
        assert_eq!(back, text().repeat(2).as_bytes());
        let limit = text().len() * 2 - 1;
        assert_eq!(
            Compression::gzip().decompress(&twice, 2, limit),
            Err(RecordError::DecompressedTooLarge { limit })
        );
    }

    #[test]
    fn gzip_headers_may_have_more() {
        // Flags: checksum of the header, extra field, name, comment.
        let mut header = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3, 2, 0, b'x', b'y'];
        header.extend_from_slice(b"name\0comment\0");
        let [a, b, ..] = crc32fast::hash(&header).to_le_bytes();
        header.extend_from_slice(&[a, b]);
        header.extend_from_slice(&unhex(GZIP)[10..]);
        let back = Compression::gzip().decompress(&header.into(), 2, LIMIT).unwrap();
        assert_eq!(back, text().as_bytes());
    }

    #[test]
    fn gzip_checksum_is_checked() {
        let mut bytes = unhex(GZIP).to_vec();
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        assert!(Compression::gzip().decompress(&bytes.into(), 2, LIMIT).is_err());
    }

    #[test]
    fn snappy() {
        let header = "82534e4150505900 00000001 00000001";
        let framed = format!("{header} 00000057 {SNAPPY_RAW}");
        assert_reads(Compression::snappy(), 2, &framed);
        assert_reads(Compression::snappy(), 2, SNAPPY_RAW);
        assert_eq!(Compression::snappy().decompress(&unhex(header), 2, 0), Ok(Bytes::new()));
        let twice = unhex(&framed.repeat(2));
        let back = Compression::snappy().decompress(&twice, 2, LIMIT).unwrap();
        assert_eq!(back, text().repeat(2).as_bytes());
        let ours = compressed(Compression::snappy(), 2, text().as_bytes());
        assert_eq!(ours.slice(..16), unhex(header));
    }

    #[test]
    fn snappy_sizes_are_not_believed() {
        // Declares 2^31 bytes in a block of six.
        let result = Compression::snappy().decompress(&unhex("8080808008 00"), 2, usize::MAX);
        assert!(matches!(result, Err(RecordError::Decompress { codec: Codec::Snappy, .. })));
    }

    #[test]
    fn lz4() {
        assert_reads(Compression::lz4(), 2, &format!("04224d18 604082 {LZ4_BLOCKS}"));
        let ours = compressed(Compression::lz4(), 2, text().as_bytes());
        assert_eq!(ours.slice(..7), unhex("04224d18 604082"));
    }

    #[test]
    fn lz4_of_format_0_hashes_the_magic_number_too() {
        let wrong = format!("04224d18 60401a {LZ4_BLOCKS}");
        assert_reads(Compression::lz4(), 0, &wrong);
        assert_reads(Compression::lz4(), 0, &format!("04224d18 604082 {LZ4_BLOCKS}"));
        for magic in [1, 2] {
            assert!(Compression::lz4().decompress(&unhex(&wrong), magic, LIMIT).is_err());
        }
        assert_eq!(
            compressed(Compression::lz4(), 0, b""),
            unhex("04224d18 60401a 00000000"),
            "as Java writes it"
        );
    }

    #[test]
    fn lz4_frames_of_all_settings() {
        use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
        use std::io::Write;

        let mut rng = fastrand::Rng::with_seed(8);
        let plain =
            [words(&mut rng, 150_000), random(&mut rng, 100_000), vec![0; 1 << 20]].concat();
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB]
        {
            for mode in [BlockMode::Independent, BlockMode::Linked] {
                for checksums in [false, true] {
                    let info = FrameInfo::new()
                        .block_size(size)
                        .block_mode(mode)
                        .block_checksums(checksums)
                        .content_checksum(checksums)
                        .content_size(checksums.then_some(plain.len() as u64));
                    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                    encoder.write_all(&plain).unwrap();
                    let frame = encoder.finish().unwrap();
                    let twice = Bytes::from([&*frame, &*frame].concat());
                    let back = Compression::lz4().decompress(&twice, 2, LIMIT).unwrap();
                    assert_eq!(back, plain.repeat(2));
                    let limit = plain.len() * 2 - 1;
                    assert_eq!(
                        Compression::lz4().decompress(&twice, 2, limit),
                        Err(RecordError::DecompressedTooLarge { limit })
                    );
                    if checksums {
                        let mut damaged = frame;
                        let last = damaged.len() - 1;
                        damaged[last] ^= 1;
                        assert!(Compression::lz4().decompress(&damaged.into(), 2, LIMIT).is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn zstd() {
        assert_reads(Compression::zstd(), 2, ZSTD);
        assert_eq!(
            Compression::zstd().decompress(&unhex("28b52ffd2000010000"), 2, 0),
            Ok(Bytes::new())
        );
        let skippable = "5f2a4d18 03000000 010203";
        let frames = format!("{ZSTD} {skippable} {ZSTD}");
        let back = Compression::zstd().decompress(&unhex(&frames), 2, LIMIT).unwrap();
        assert_eq!(back, text().repeat(2).as_bytes());
    }

    #[test]
    fn zstd_sizes_are_not_believed() {
        // A frame that declares 2^63 bytes, and holds one.
        let lie = unhex("28b52ffd e0 0000000000000080 090000 61");
        assert!(Compression::zstd().decompress(&lie, 2, usize::MAX).is_err());
        // One that declares none, of blocks of 128 KiB zeros in four bytes each.
        let block = "020010 00";
        let bomb = format!("28b52ffd 00 58 {} 010000", block.repeat(1000));
        let back = Compression::zstd().decompress(&unhex(&bomb), 2, 1000 << 17).unwrap();
        assert_eq!(back.len(), 1000 << 17);
        let limit = (1000 << 17) - 1;
        assert_eq!(
            Compression::zstd().decompress(&unhex(&bomb), 2, limit),
            Err(RecordError::DecompressedTooLarge { limit })
        );
    }
}
