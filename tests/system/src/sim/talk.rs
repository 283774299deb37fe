//! The conversation of a pipe: lines in, answers out, as on the other machines.

use super::living::{Came, SimLiving};
use platform_sim::SimConsole;
use vm::interpret::{Ended, Handle, HostValue};

struct Talk<'a> {
    living: &'a mut SimLiving,
    console: SimConsole,
    to: Handle,
    session: Option<Handle>,
}

/// Leads the conversation that the console holds; answers the status.
pub fn converse(living: &mut SimLiving, console: &SimConsole) -> Result<i64, String> {
    let serial = living.start("repl")?;
    let to = match living.drive(serial)? {
        Came::Exit(status) => return Ok(status),
        Came::Ended(Ended::Value(conversation)) => conversation,
        Came::Ended(other) => return Err(format!("no conversation: {other:?}")),
    };
    let session = match living.send(to, "session", &[], None)? {
        Came::Ended(Ended::Value(session)) => Some(session),
        Came::Ended(_) => None,
        Came::Exit(status) => return Ok(status),
    };
    Talk { living, console: console.clone(), to, session }.lead()
}

impl Talk<'_> {
    fn lead(&mut self) -> Result<i64, String> {
        let mut source = String::new();
        while let Some(line) = self.console.take_line() {
            source.push_str(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            match self.ask("isIncomplete:", &[&source])? {
                Err(status) => return Ok(status),
                Ok(HostValue::Boolean(true)) => source.push('\n'),
                Ok(_) => {
                    if let Some(status) = self.submit(&std::mem::take(&mut source))? {
                        return Ok(status);
                    }
                }
            }
        }
        if !source.trim().is_empty()
            && let Some(status) = self.submit(&source)?
        {
            return Ok(status);
        }
        Ok(self.ask("close", &[])?.err().unwrap_or(0))
    }

    /// Sends the world a text; answers what it says, or the session's status.
    fn ask(&mut self, selector: &str, words: &[&str]) -> Result<Result<HostValue, i64>, String> {
        let made = words.iter().map(|word| self.living.vm.make(&HostValue::Text((*word).to_owned())));
        let handles = made.collect::<Option<Vec<Handle>>>().ok_or("memory is full")?;
        let came = self.living.send(self.to, selector, &handles, self.session)?;
        handles.into_iter().for_each(|handle| self.living.vm.release(handle));
        Ok(match came {
            Came::Exit(status) => Err(status),
            Came::Ended(Ended::Value(value)) => {
                let answer = self.living.vm.value_of(value).unwrap_or(HostValue::Nil);
                self.living.vm.release(value);
                Ok(answer)
            }
            Came::Ended(Ended::Failed(trace)) => Ok(HostValue::Text(format!("the machine gave it up: {trace}"))),
            Came::Ended(Ended::Terminated) => Ok(HostValue::Nil),
        })
    }

    fn submit(&mut self, source: &str) -> Result<Option<i64>, String> {
        match self.ask("submit:", &[source])? {
            Err(status) => return Ok(Some(status)),
            Ok(HostValue::Text(answer)) if !answer.is_empty() => {
                self.console.write(format!("{}\n", answer.trim_end_matches('\n')).as_bytes());
            }
            Ok(_) => {}
        }
        self.living.save_soon()?;
        Ok(None)
    }
}
