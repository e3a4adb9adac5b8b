//! Where documents come from.

use std::fmt;
use std::sync::Arc;

use crate::encoding::body::limits::Limits;
use crate::encoding::envelope::header::Header;
use crate::encoding::key::document;
use crate::error::error::Error;
use crate::model::id::DocumentId;
use crate::record::kind::Kind;
use crate::stored::read;
use crate::stored::record::Record;
use crate::stored::state::Held;

/// Documents of one collection in one state of the store, as one handle sees them.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) held: Held,
    pub(crate) collection: u32,
    pub(crate) limits: Limits,
    pub(crate) eyes: Arc<dyn Eyes>,
}

/// Which kinds a handle sees.
pub(crate) trait Eyes: fmt::Debug + Send + Sync {
    /// The kind of a document with this header, if the handle sees it.
    fn kind_of(&self, header: &Header) -> Result<Option<Arc<Kind>>, Error>;

    /// `error`, with the document it is about.
    fn place(&self, id: &DocumentId, error: Error) -> Error;
}

impl Source {
    pub(crate) fn fetch(&self, id: &DocumentId) -> Result<Option<Record>, Error> {
        read::at(&self.held, &document::key(self.collection, id)?)
    }
}
