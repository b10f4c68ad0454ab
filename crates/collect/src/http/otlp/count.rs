//! How many log records a request in JSON holds, without holding them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// How many log records there are in this.
pub(super) trait Records {
    fn records(&self) -> u64;
}

impl Records for IgnoredAny {
    fn records(&self) -> u64 {
        1
    }
}

/// How many log records there are in a list of these.
pub(super) struct Count<T>(u64, PhantomData<T>);

impl<T> Count<T> {
    pub(super) fn get(&self) -> u64 {
        self.0
    }
}

impl<T> Default for Count<T> {
    fn default() -> Self {
        Self(0, PhantomData)
    }
}

impl<'de, T: Records + Deserialize<'de>> Deserialize<'de> for Count<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de, T: Records + Deserialize<'de>> Visitor<'de> for Count<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// `null` is as good as an empty list.
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(element) = list.next_element::<T>()? {
            self.0 += element.records();
        }
        Ok(self)
    }
}
