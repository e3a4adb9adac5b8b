//! What went wrong, as a program sees it.

/// What went wrong. Matched by programs; new kinds may be added in any release.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no document with this id.
    NotFound,
    /// A document with this id exists already.
    AlreadyExists,
    /// A value that a unique index allows once is another document's.
    UniqueViolation,
    /// The document was changed by somebody else since it was read.
    Conflict,
    /// The document has another kind than the typed collection writes.
    KindMismatch,
    /// The call is about one kind, and an untyped collection has several, or one with steps that this program has not declared.
    KindRequired,
    /// A name of a collection or kind is empty, too long, or holds control characters.
    InvalidName,
    /// An id is longer than [`DocumentId::MAX_TEXT`](crate::DocumentId::MAX_TEXT).
    InvalidId,
    /// A path is not well-formed.
    InvalidPath,
    /// A filter, a sort or a projection is not well-formed; the error names the operator or the path.
    InvalidFilter,
    /// A sort takes more memory than the query allows; the error names the bound.
    SortTooLarge,
    /// A text is not that of a cursor, or the cursor belongs to another filter or sort.
    InvalidCursor,
    /// A step has come since the cursor was made that touches the paths of its query.
    CursorStale,
    /// The steps of an evolution contradict themselves or what is registered already.
    InvalidEvolution,
    /// An option of the builder or of a call is out of its range, or the handle is not one for this call: that of a snapshot is written to, or that of
    /// another store is used.
    InvalidOption,
    /// An index cannot be declared like this, or there is none of this name.
    InvalidIndex,
    /// A unique index is being built, and refuses new values until that is done.
    IndexBuilding,
    /// The document cannot be indexed: too many entries, lists at several paths, a key that is too long.
    NotIndexable,
    /// The value has no JSON form that can be stored exactly: NaN, an infinity, an integer outside 64 bits, a map key
    /// that is not text, a key twice.
    NotRepresentable,
    /// The value nests deeper than the limit.
    TooDeep,
    /// The value, transaction or batch is larger than the limit.
    TooLarge,
    /// The stored document does not fit the program's type.
    Mismatch,
    /// A text is not JSON, or not the JSON that was expected; the error names line and column.
    InvalidText,
    /// A patch is not well-formed.
    InvalidPatch,
    /// An operation of a patch cannot be carried out on the document: its `test` fails, or its path leads nowhere.
    PatchFailed,
    /// A step failed on this document, or would lose what was changed. The stored bytes are as they were.
    StepFailed,
    /// The document was written by steps this program does not have, and there is no way back to its own shape.
    HistoryDiverged,
    /// Stored bytes are damaged: a checksum, a length or a tag is wrong.
    Corrupt,
    /// Acknowledged commits are missing from the store.
    DataLoss,
    /// The store was written by a newer release of PivotDB.
    NewerFormat,
    /// The store was made with another backend than the one that was chosen, or with one that this program is built without.
    WrongBackend,
    /// The directory holds something that is not a store.
    ForeignDirectory,
    /// Another process, or another handle in this one, has the store open.
    Locked,
    /// There is no store here, and the call was told not to create one.
    NoStore,
    /// The operating system refused a read or a write.
    Io,
    /// The disk is full.
    OutOfSpace,
    /// A write failed earlier: the store answers reads and refuses writes until it is opened again.
    Poisoned,
    /// The commit may or may not be there. After the store is opened again it is wholly there or wholly absent.
    CommitOutcomeUnknown,
    /// A snapshot held more old data alive than the bound allows and was given up.
    SnapshotExpired,
    /// A handle of a transaction was used after the transaction had ended.
    TransactionClosed,
    /// A handle that is not the transaction's was used inside its closure, on the same thread.
    InsideTransaction,
    /// The store has been closed.
    Closed,
    /// User code gave up with an error of its own; see [`Error::downcast_ref`](crate::Error::downcast_ref).
    Aborted,
    /// The user asked for the work to stop.
    Cancelled,
}

impl ErrorKind {
    /// What a user can do about it, in a few words; empty where the text above it says all there is.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::NotFound | Self::Io | Self::Aborted | Self::Cancelled | Self::InvalidText => "",
            Self::AlreadyExists => "use put or overwrite to write over it",
            Self::UniqueViolation => "nothing was written",
            Self::InvalidIndex => "nothing was changed",
            Self::IndexBuilding => "wait for the build, or let the index be unenforced meanwhile",
            Self::NotIndexable => "nothing was written; change the document, or drop the index",
            Self::Conflict => "read it again and repeat the change",
            Self::KindMismatch => "open the collection with the type of that kind",
            Self::KindRequired => {
                "declare its steps first, with evolve or collection_with, or use a typed collection"
            }
            Self::InvalidName => "a name has 1 to 128 bytes and no control characters",
            Self::InvalidId => "a text id has at most 1024 bytes",
            Self::InvalidPath => "write a.b.0, or /a/b/0 for names with dots",
            Self::InvalidFilter => "see the documentation of queries for what there is",
            Self::SortTooLarge => "add an index in that order or a limit, or raise the sort's",
            Self::InvalidCursor => "use it with the filter and the sort it was made with",
            Self::CursorStale => "begin again from the first page",
            Self::InvalidEvolution => "correct the steps before they are registered",
            Self::InvalidOption => "see the option's documentation for its range",
            Self::NotRepresentable => "nothing was written",
            Self::TooDeep => "nothing was written; nest less",
            Self::TooLarge => "nothing was written; store less at once",
            Self::Mismatch => "add a step, or #[serde(default)] for a field that is new",
            Self::InvalidPatch => "see RFC 6902",
            Self::PatchFailed => "nothing was written",
            Self::StepFailed => "the stored document is unchanged; correct the step and read again",
            Self::HistoryDiverged => "run a program whose steps lead there",
            Self::Corrupt => "run verify, then restore from a backup, or discard what is corrupt",
            Self::DataLoss => "restore from a backup, or accept the loss in the builder",
            Self::NewerFormat => "use the release that wrote it, or a newer one",
            Self::WrongBackend => "open it with the backend it was made with, and that backend's feature",
            Self::ForeignDirectory => "choose an empty or new directory",
            Self::Locked => "close the other one, or set a lock timeout",
            Self::NoStore => "check the path, or allow creation",
            Self::OutOfSpace => "free space, then open the store again",
            Self::Poisoned | Self::CommitOutcomeUnknown => "close the store and open it again",
            Self::SnapshotExpired => "take a new snapshot, or raise the overlay's bound",
            Self::TransactionClosed => "use it inside the closure, and take a new one each time",
            Self::InsideTransaction => "use the handle that tx.on(&collection) gives",
            Self::Closed => "open the store again",
        }
    }
}
