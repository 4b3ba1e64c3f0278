//! Reader-writer locks behind one trait.
