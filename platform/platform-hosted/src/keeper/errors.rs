//! From what a room says went wrong to the line and the exit status that the user gets.

use crate::cli::{Exit, Failure};
use image::ImageError;
use platform::StoreErrorKind;
use std::path::Path;

/// A failed operation on the world in `path`.
pub fn failure(path: &Path, error: &ImageError) -> Failure {
    let exit = match error {
        ImageError::NotAWorld | ImageError::Damaged(_) | ImageError::LostPages(_) => Exit::Damaged,
        ImageError::NewerVersion { .. } => Exit::Newer,
        ImageError::NotEmpty(_) | ImageError::NameTaken(_) => Exit::Exists,
        ImageError::NoSuchMoment(_) => Exit::Missing,
        ImageError::BadName { .. } => Exit::Usage,
        ImageError::Store(error) if error.kind == StoreErrorKind::OutOfRange => Exit::Damaged,
        _ => Exit::Io,
    };
    let advice = match error {
        ImageError::NotAWorld => "; make one with warm new",
        ImageError::NewerVersion { .. } => "; use a newer warm",
        ImageError::Damaged(_) => "; warm check tells more",
        _ => "",
    };
    Failure::new(exit, format!("{}: {error}{advice}", path.display()))
}
