//! A field of a record: a place and a type, read and written without assumptions about length.

use core::marker::PhantomData;

/// A row of a record's table, for documentation and its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The field's name, in capitals.
    pub(crate) name: &'static str,
    /// Where it starts, in bytes from the record's start.
    pub(crate) offset: usize,
    /// Its length in bytes.
    pub(crate) bytes: usize,
    /// What it means.
    pub(crate) meaning: &'static str,
}

/// A field of type `T`.
pub(crate) struct Field<T> {
    /// Where it starts, in bytes from the record's start.
    pub(crate) offset: usize,
    kind: PhantomData<T>,
}

impl<T> Field<T> {
    /// The field at `offset`.
    pub(crate) const fn at(offset: usize) -> Field<T> {
        Field { offset, kind: PhantomData }
    }
}

macro_rules! number_field {
    ($($kind:ty),*) => {$(
        impl Field<$kind> {
            /// The value; 0 if the record is cut off before its end.
            pub(crate) fn get(&self, record: &[u8]) -> $kind {
                let end = self.offset + size_of::<$kind>();
                match record.get(self.offset..end).and_then(|bytes| bytes.try_into().ok()) {
                    Some(bytes) => <$kind>::from_le_bytes(bytes),
                    None => 0,
                }
            }

            /// Writes the value.
            pub(crate) fn put(&self, record: &mut [u8], value: $kind) {
                let end = self.offset + size_of::<$kind>();
                if let Some(place) = record.get_mut(self.offset..end) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    )*};
}

number_field!(u8, u16, u32, u64, i64);

impl<const N: usize> Field<[u8; N]> {
    /// The bytes; zeros if the record is cut off before its end.
    pub(crate) fn get(&self, record: &[u8]) -> [u8; N] {
        let found = record.get(self.offset..self.offset + N);
        found.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    /// Writes the bytes.
    pub(crate) fn put(&self, record: &mut [u8], value: &[u8; N]) {
        if let Some(place) = record.get_mut(self.offset..self.offset + N) {
            place.copy_from_slice(value);
        }
    }
}

/// Whether the rows follow each other without overlap and end within `bytes`.
pub(crate) const fn in_order(rows: &[Row], bytes: usize) -> bool {
    let mut end = 0;
    let mut nth = 0;
    while nth < rows.len() {
        if rows[nth].offset < end {
            return false;
        }
        end = rows[nth].offset + rows[nth].bytes;
        nth += 1;
    }
    end <= bytes
}
