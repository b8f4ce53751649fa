//! The plain types that Kafka puts into arrays.

use super::{Reader, Wire, WireError, Writer};
use crate::types::{Str, Uuid};

macro_rules! fixed {
    ($($kind:ty: $name:ident),*) => {$(
        impl Wire for $kind {
            #[inline]
            fn read(&mut self, r: &mut Reader<'_>, _: i16) -> Result<(), WireError> {
                *self = r.$name()?;
                Ok(())
            }

            #[inline]
            fn write(&self, w: &mut Writer, _: i16) -> Result<(), WireError> {
                w.$name(*self);
                Ok(())
            }
        }
    )*};
}

fixed!(i8: i8, i16: i16, i32: i32, i64: i64, Uuid: uuid);

impl Wire for Str {
    fn read(&mut self, r: &mut Reader<'_>, _: i16) -> Result<(), WireError> {
        *self = r.string()?;
        Ok(())
    }

    fn write(&self, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.string(self)
    }
}
