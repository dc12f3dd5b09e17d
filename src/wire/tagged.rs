//! Tagged fields (KIP-482): the optional end of every struct of a flexible message.

use bytes::{BufMut, Bytes};

use super::{DecodeError, EncodeError, Output, Version, Wire, varint};

/// Tagged fields that the schema does not know, kept so that a message decodes and encodes to the
/// same bytes. Nearly always empty, and then one null pointer.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
#[expect(clippy::box_collection, reason = "one word in every struct of every message")]
pub struct UnknownTags(Option<Box<Vec<(u32, Bytes)>>>);

impl UnknownTags {
    /// Keeps the field for [`Tags::finish`].
    pub(crate) fn push(&mut self, tag: u32, value: Bytes) {
        // One field is the usual number, and the least memory for a peer that sends many.
        self.0.get_or_insert_with(|| Box::new(Vec::with_capacity(1))).push((tag, value));
    }

    /// The tag and the bytes of each field.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Bytes)> {
        self.0.iter().flat_map(|fields| fields.iter()).map(|(tag, value)| (*tag, value))
    }
}

/// Decodes the tagged fields of one struct: `field` gets the tag and exactly its bytes.
pub(crate) fn get_tags(
    src: &mut Bytes,
    mut field: impl FnMut(u32, Bytes) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for _ in 0..varint::get_u32(src)? {
        let tag = varint::get_u32(src)?;
        let length = varint::get_u32(src)?;
        match usize::try_from(length) {
            Ok(length) if length <= src.len() => field(tag, src.split_to(length))?,
            _ => return Err(DecodeError::Length),
        }
    }
    Ok(())
}

/// Tagged fields being written.
#[derive(Default)]
pub(crate) struct Tags {
    fields: Vec<(u32, Bytes)>,
}

impl Tags {
    pub(crate) fn push(
        &mut self,
        tag: u32,
        value: &impl Wire,
        version: Version,
    ) -> Result<(), EncodeError> {
        self.fields.push((tag, value.to_bytes(version)?));
        Ok(())
    }

    /// Appends the fields in ascending order of their tags.
    pub(crate) fn finish(
        mut self,
        unknown: &UnknownTags,
        dst: &mut Output,
    ) -> Result<(), EncodeError> {
        self.fields.extend(unknown.iter().map(|(tag, value)| (tag, value.clone())));
        self.fields.sort_by_key(|(tag, _)| *tag);
        varint::put_u64(&mut **dst, self.fields.len() as u64);
        for (tag, value) in self.fields {
            varint::put_u64(&mut **dst, tag.into());
            varint::put_u64(
                &mut **dst,
                u32::try_from(value.len()).map_err(|_| EncodeError::Length)?.into(),
            );
            dst.put(value);
        }
        Ok(())
    }
}
