//! Little-endian fields of on-disk records. Reads outside a record give 0, writes outside are dropped: images are
//! not trusted.

/// An integer as it stands on the disk.
pub(super) trait Field: Copy {
    fn get(bytes: &[u8], at: usize) -> Self;
    fn put(self, bytes: &mut [u8], at: usize);
}

macro_rules! field {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            fn get(bytes: &[u8], at: usize) -> $ty {
                match bytes.get(at..at.saturating_add(size_of::<$ty>())).map(TryInto::try_into) {
                    Some(Ok(own)) => <$ty>::from_le_bytes(own),
                    _ => 0,
                }
            }
            fn put(self, bytes: &mut [u8], at: usize) {
                if let Some(place) = bytes.get_mut(at..at.saturating_add(size_of::<$ty>())) {
                    place.copy_from_slice(&self.to_le_bytes());
                }
            }
        }
    )*};
}
field!(u8, u16, u32);

pub(super) fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::get(bytes, at)
}

pub(super) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::get(bytes, at)
}

pub(super) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    value.put(bytes, at);
}

pub(super) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    value.put(bytes, at);
}

/// Declares the fields of a record, each with its offset, a getter and a setter.
macro_rules! le_fields {
    ($record:ident { $($get:ident, $set:ident: $ty:ty = $at:literal, $doc:literal;)* }) => {
        #[allow(dead_code, reason = "the table is the whole record")]
        impl $record {
            $(
                #[doc = $doc]
                pub(super) fn $get(&self) -> $ty {
                    <$ty as $crate::ext2::bytes::Field>::get(&self.0, $at)
                }
                #[doc = concat!("Sets: ", $doc)]
                pub(super) fn $set(&mut self, value: $ty) {
                    $crate::ext2::bytes::Field::put(value, &mut self.0, $at);
                }
            )*
        }
    };
}
pub(super) use le_fields;
