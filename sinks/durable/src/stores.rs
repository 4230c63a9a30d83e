//! All stores of one data folder, each opened once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::Result;
use tokio::sync::OnceCell;

use crate::store::Store;

/// Opens the named stores of a data folder when they are first asked for and hands the same
/// handle to everybody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stores {
    data_dir: Arc<Path>,
    open: Arc<Mutex<HashMap<String, Arc<OnceCell<Store>>>>>,
}

impl Stores {
    /// Stores in this folder, which is created when the first one is opened.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into().into(), open: Arc::default() }
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The store of this name, in the folder of this name.
    ///
    /// # Errors
    /// As [`Store::open`]; the next call tries again.
    pub async fn open(&self, name: &str) -> Result<Store> {
        let cell = Arc::clone(self.lock().entry(name.to_owned()).or_default());
        cell.get_or_try_init(|| Store::open(self.data_dir.join(name))).await.cloned()
    }

    /// The stores that are open, by name.
    pub fn opened(&self) -> Vec<(String, Store)> {
        let mut stores: Vec<(String, Store)> =
            self.lock().iter().filter_map(|(name, cell)| Some((name.clone(), cell.get()?.clone()))).collect();
        stores.sort_by(|a, b| a.0.cmp(&b.0));
        stores
    }

    /// Closes all stores.
    pub async fn close(&self) {
        let stores = self.opened();
        self.lock().clear();
        for (_, store) in stores {
            store.close().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Store>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
