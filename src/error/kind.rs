//! What went wrong, as a program sees it.

/// What went wrong, and what it asks for. Matched by programs; new kinds may be added in any release.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no document with this id.
    ///
    /// An answer of the program's.
    NotFound,
    /// A document with this id exists already.
    ///
    /// An answer of the program's; `put` and `overwrite` write over one of the same kind.
    AlreadyExists,
    /// A value that a unique index allows once is another document's.
    ///
    /// An answer of the program's; nothing was written.
    UniqueViolation,
    /// The document was changed by somebody else since it was read.
    ///
    /// Read again and repeat; `update` and `transaction` have done so many times.
    Conflict,
    /// The document has another kind than the typed collection writes.
    ///
    /// Use a handle of that kind; nothing was written.
    KindMismatch,
    /// The call is about one kind, and an untyped collection has several, or one with steps that this program has not declared.
    ///
    /// Use a typed collection, or one of `collection_with`, or declare the steps with `evolve`; nothing was written.
    KindRequired,
    /// A name of a collection or kind is empty, too long, or holds control characters.
    ///
    /// Use another name.
    InvalidName,
    /// An id is longer than [`DocumentId::MAX_TEXT`](crate::DocumentId::MAX_TEXT).
    ///
    /// Use a shorter one.
    InvalidId,
    /// A path is not well-formed.
    ///
    /// Correct the path.
    InvalidPath,
    /// A filter, a sort or a projection is not well-formed; the error names the operator or the path.
    ///
    /// Correct the filter.
    InvalidFilter,
    /// A sort takes more memory than the query allows; the error names the bound.
    ///
    /// Make an index in that order, set a limit, or raise `sort_limit`.
    SortTooLarge,
    /// A text is not that of a cursor, or the cursor belongs to another filter or sort.
    ///
    /// Use it with the query it was made with, or begin again from the first page.
    InvalidCursor,
    /// A step has come since the cursor was made that touches the paths of its query.
    ///
    /// Begin again from the first page.
    CursorStale,
    /// The steps of an evolution contradict themselves or what is registered already.
    ///
    /// Correct the steps; nothing was recorded.
    InvalidEvolution,
    /// An option of the builder or of a call is out of its range, or the handle is not one for this call: that of a snapshot is written to, or that of
    /// another store is used.
    ///
    /// Correct the option, or use another handle.
    InvalidOption,
    /// An index cannot be declared like this, or there is none of this name.
    ///
    /// Correct what was passed; nothing was changed.
    InvalidIndex,
    /// A unique index is being built, and refuses new values until that is done.
    ///
    /// Wait until the index is built.
    IndexBuilding,
    /// The document cannot be indexed: too many entries, lists at several paths, a key that is too long.
    ///
    /// Write another value, or drop the index; nothing was written.
    NotIndexable,
    /// The value has no JSON form that can be stored exactly: NaN, an infinity, an integer outside 64 bits, a map key
    /// that is not text, a key twice.
    ///
    /// Write another value; nothing was written.
    NotRepresentable,
    /// The value nests deeper than the limit.
    ///
    /// Nest less; nothing was written.
    TooDeep,
    /// The value, transaction or batch is larger than the limit.
    ///
    /// Write less at once; nothing was written. The limit of a commit can be [raised](crate::Builder::commit_limit).
    TooLarge,
    /// The stored document does not fit the program's type.
    ///
    /// Of what is stored: add a step, or a default for a field that is new or that a newer program has removed; `get_stored` reads it as it is. Of what was passed in: correct it; nothing was written.
    Mismatch,
    /// A text is not JSON, or not the JSON that was expected; the error names line and column.
    ///
    /// Correct the text.
    InvalidText,
    /// A patch is not well-formed.
    ///
    /// Correct the patch.
    InvalidPatch,
    /// An operation of a patch cannot be carried out on the document: its `test` fails, or its path leads nowhere.
    ///
    /// Make another patch of what is there; nothing was written.
    PatchFailed,
    /// A step failed on this document, or would lose what was changed. The stored bytes are as they were.
    ///
    /// Correct the step and read again; `get_stored` reads the document as it is.
    StepFailed,
    /// The document was written by steps this program does not have, and there is no way back to its own shape.
    ///
    /// Run a program that has these steps and their functions; `get_stored` reads the document as it is.
    HistoryDiverged,
    /// Stored bytes are damaged: a checksum, a length or a tag is wrong.
    ///
    /// Run [`Verify`](crate::Verify), then restore from a backup, or give up what is damaged: `discard_corrupt`, `drop_corrupt_indexes`.
    Corrupt,
    /// Acknowledged commits are missing from the store.
    ///
    /// Restore from a backup, or open what is left with [`accept_loss`](crate::Builder::accept_loss).
    DataLoss,
    /// The store was written by a newer release of PivotDB.
    ///
    /// Use that release, or a newer one.
    NewerFormat,
    /// The store was made with another backend than the one that was chosen, or with one that this program is built without.
    ///
    /// Open it with the backend it was made with, and that backend's feature.
    WrongBackend,
    /// The directory holds something that is not a store.
    ///
    /// Choose another path.
    ForeignDirectory,
    /// Another process, or another handle in this one, has the store open.
    ///
    /// Close the other one, or wait for it with `lock_timeout`.
    Locked,
    /// There is no store here, and the call was told not to create one.
    ///
    /// Check the path, or allow creation.
    NoStore,
    /// The operating system refused a read or a write.
    ///
    /// Look at the system's error, which is the [`source`](std::error::Error::source).
    Io,
    /// The disk is full.
    ///
    /// Free space, then open the store again.
    OutOfSpace,
    /// A write failed earlier: the store answers reads and refuses writes until it is opened again.
    ///
    /// Close the store and open it again.
    Poisoned,
    /// The commit may or may not be there. After the store is opened again it is wholly there or wholly absent.
    ///
    /// Close the store and open it again, then look whether it is there.
    CommitOutcomeUnknown,
    /// A snapshot held more old data alive than the bound allows and was given up.
    ///
    /// Take a new one, or raise [`overlay_limit`](crate::Builder::overlay_limit).
    SnapshotExpired,
    /// A handle of a transaction was used after the transaction had ended.
    ///
    /// Use it inside the closure, and take a new one each time.
    TransactionClosed,
    /// A handle that is not the transaction's was used inside its closure, on the same thread.
    ///
    /// Use the handle that `tx.on(&collection)` gives.
    InsideTransaction,
    /// The store has been closed.
    ///
    /// Open it again.
    Closed,
    /// User code gave up with an error of its own; see [`Error::downcast_ref`](crate::Error::downcast_ref).
    Aborted,
    /// The user asked for the work to stop.
    ///
    /// The program's own doing.
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
