//! Stores on disk, whichever backend keeps their bytes.

#[cfg(test)]
mod tests;
