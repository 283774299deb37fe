//! What a session may use up.

use super::vm::{Next, Vm};
use crate::layout::{Word, process};

/// The limits of a session.
pub struct Quota {
    /// The Session, or nil for processes of the world.
    pub session: Word,
    /// Sends and backward jumps that are left.
    pub polls: Option<u64>,
}

impl Vm {
    /// Sets the limits of the current process's session.
    pub(crate) fn set_quota(&mut self, polls: Option<u64>) {
        let session = self.current_session();
        self.quotas.retain(|quota| quota.session != session);
        if polls.is_some() {
            self.quotas.push(Quota { session, polls });
        }
    }

    fn current_session(&self) -> Word {
        self.slot_of(self.current.process, process::SESSION).unwrap_or(self.nil)
    }

    /// Charges the current session; what has nothing left is sent `quotaExceeded` (its process).
    pub(crate) fn charge(&mut self, polls: u64) -> Option<Next> {
        if self.quotas.is_empty() {
            return None;
        }
        let session = self.current_session();
        let quota = self.quotas.iter_mut().find(|quota| quota.session == session)?;
        let left = quota.polls?;
        quota.polls = Some(left.saturating_sub(polls));
        if left > polls {
            return None;
        }
        self.quotas.retain(|quota| quota.session != session);
        let (receiver, selector, nil) = (self.current.process, self.symbol("quotaExceeded"), self.nil);
        Some(self.interlude(receiver, selector, nil))
    }
}
