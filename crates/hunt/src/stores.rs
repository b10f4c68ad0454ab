//! The object stores that a query can reach: those of the lake's tables, by name, and no other. The
//! engine's own registry would open the host's files for anyone who spells a `file://` address.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Result, exec_err};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::Url;

/// A fixed set of stores.
#[derive(Debug, Default)]
pub(crate) struct Stores(HashMap<String, Arc<dyn ObjectStore>>);

impl Stores {
    /// Adds the store of an address, while the set is made.
    pub(crate) fn add(&mut self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.0.insert(key(url), store);
    }
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match self.0.get(&key(url)) {
            Some(store) => Ok(Arc::clone(store)),
            None => exec_err!("a query reads the lake's tables only"),
        }
    }
}

fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}
