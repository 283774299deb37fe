//! A local transformer that ranks and drafts.
//!
//! Duty: token probabilities from weights in memory. The room is open and empty.
//!
//! Must not know: oops, files.

#![no_std]
