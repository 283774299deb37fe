//! Several at once: while a world is open, other commands are guests of the process that has it.
//!
//! Duty: find that process by the file, carry a guest's streams, keys and questions to it, and answers
//! and an exit status back.
//!
//! Invariants
//! - A1 Only the same user is let in: the socket stands in a folder that nobody else can enter, and each
//!   side asks the kernel who the other is.
//! - A2 What comes over the socket is claimed: a frame is checked whole before anything is done with it,
//!   and takes memory only as its bytes arrive. A guest that breaks the rules is shown out; the world
//!   does not notice.
//! - A3 The machine's thread never waits for a guest: what a guest does not read gathers up to a bound,
//!   and then the process that writes waits, alone.
//! - A4 A guest that goes away, however, takes its session with it, and nothing else.
//! - A5 A guest is told that it succeeded only after what it did is durable.
//!
//! Rooms: `place` (where the socket stands), `frame` (what is said), `guest` (one guest's streams),
//! `guests` (the owner's side), `visit` (the guest's side). What a session does is the world's affair.

mod frame;
mod guest;
mod guests;
mod place;
mod visit;

pub use frame::{Answer, Hello, Question};
pub use guests::{Event, Guests};
pub use place::owner;
pub use visit::{Said, Visit, visit};
pub(crate) use frame::ToGuest;
