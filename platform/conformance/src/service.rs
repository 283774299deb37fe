//! The suites of services: what every service owes (I2, I3), and what console and display owe beside.

use crate::Suite;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use platform::events::Event;
use platform::operations::{ConsoleOperation, DisplayOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request, Service};

/// A row of a table of operations, as `platform::operations` has them.
type Row = (u32, &'static str, &'static str, &'static str, &'static str);

/// A handle of another session.
const STRANGE: Handle = Handle { session: u64::MAX, slot: 7, generation: 9 };

fn call(service: &mut dyn Service, operation: u32, handle: Option<Handle>, bytes: &[u8]) -> Result<Reply, Refusal> {
    service.call(Request { operation, handle, bytes, semaphore: None })
}

/// What every service owes for the operations of its table.
pub fn service(service: &mut dyn Service, name: &str, table: &[Row]) -> Result<usize, String> {
    let mut suite = Suite::new();
    any(&mut suite, service, name, table)?;
    suite.done()
}

fn any(suite: &mut Suite, service: &mut dyn Service, name: &str, table: &[Row]) -> Result<(), String> {
    suite.check(service.name() == name, "a service has the name by which worlds ask for it")?;
    let most = table.iter().map(|row| row.0).max().unwrap_or(0);
    for code in [0, most + 1, u32::MAX] {
        suite.check(
            call(service, code, None, &[]) == Err(Refusal::UnknownOperation),
            "an operation that is not in the table is refused as unknown",
        )?;
    }
    for (code, operation, arguments, ..) in table {
        let takes_handle = arguments.starts_with("handle");
        if takes_handle {
            let refused = call(service, *code, Some(STRANGE), &[0; 64]);
            let told = format!("{operation} declines a handle of another session as stale, not {refused:?}");
            suite.check(refused == Err(Refusal::Stale), &told)?;
        }
        // Bytes alone may be any, and nothing may be no argument at all.
        if !takes_handle && !arguments.is_empty() && !arguments.starts_with("bytes") {
            for bytes in [&[][..], &[0xff; 3]] {
                let refused = call(service, *code, None, bytes);
                let is_short = arguments.starts_with("u8") && !bytes.is_empty();
                let told = format!("{operation} refuses arguments that are cut off, not {refused:?}");
                suite.check(is_short || matches!(refused, Err(Refusal::Malformed(_))), &told)?;
            }
        }
    }
    Ok(())
}

/// The console's suite; a line is written to it. Nobody may be typing.
pub fn console(service: &mut dyn Service, line: &str) -> Result<usize, String> {
    let mut suite = Suite::new();
    any(&mut suite, service, "console", ConsoleOperation::TABLE)?;
    let mut ask = |operation: ConsoleOperation, bytes: &[u8]| call(service, operation as u32, None, bytes);
    suite.check(ask(ConsoleOperation::WriteOut, b"").is_ok(), "writing nothing is good")?;
    suite.check(ask(ConsoleOperation::WriteOut, line.as_bytes()).is_ok(), "a line is written")?;
    for which in 0..3 {
        let said = ask(ConsoleOperation::IsTerminal, &[which]).map(|reply| reply.bytes);
        suite.check(matches!(said.as_deref(), Ok([0 | 1])), "whether a person sits there is yes or no")?;
    }
    let extent = ask(ConsoleOperation::Extent, &[]).map(|reply| reply.bytes).unwrap_or_default();
    let mut fields = Fields::new(&extent);
    let (columns, rows) = (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
    suite.check(columns > 0 && rows > 0 && fields.is_at_end(), "a terminal has columns and rows")?;
    let end = ask(ConsoleOperation::End, &Packed::default().i64(0).finish());
    suite.check(matches!(end, Err(Refusal::Malformed(_))), "the program's own console is no guest that ends")?;
    let none = ask(ConsoleOperation::Read, &Packed::default().u32(0).finish()).map(|reply| reply.bytes);
    suite.check(none.is_ok_and(|bytes| bytes.is_empty()), "reading nothing does not wait")?;
    suite.done()
}

/// The display's suite. `turn` lets the machine do what it does between two slices of a world: give a
/// window its size, take input in.
pub fn display(service: &mut dyn Service, turn: &mut dyn FnMut()) -> Result<usize, String> {
    let mut suite = Suite::new();
    any(&mut suite, service, "display", DisplayOperation::TABLE)?;
    picture(&mut suite, service)?;
    window(&mut suite, service, turn)?;
    suite.done()
}

fn handle_of(reply: Result<Reply, Refusal>, what: &str) -> Result<Handle, String> {
    let reply = reply.map_err(|refusal| format!("{what} was refused: {refusal:?}"))?;
    reply.handle.ok_or_else(|| format!("{what} gave no handle"))
}

/// The events that wait at a surface.
fn events(service: &mut dyn Service, handle: Handle) -> Result<Vec<Event>, String> {
    match call(service, DisplayOperation::NextEvents as u32, Some(handle), &[]) {
        Err(Refusal::WouldBlock) => Ok(Vec::new()),
        Err(refusal) => Err(format!("NextEvents was refused: {refusal:?}")),
        Ok(reply) => {
            let read = Event::unpack(&reply.bytes).map_err(|refusal| format!("events that cannot be read: {refusal:?}"))?;
            Ok(read.into_iter().map(|(_, event)| event).collect())
        }
    }
}

fn key() -> Event {
    let (physical, logical, text) = ("KeyA".into(), "a".into(), "a".into());
    Event::KeyDown { physical, logical, text, modifiers: 0, repeated: 0 }
}

/// A surface that nobody sees: it has its size, what is posted comes back, and ends with its close.
fn picture(suite: &mut Suite, service: &mut dyn Service) -> Result<(), String> {
    let size = Packed::default().u32(64).u32(48).u32(64).finish();
    let handle = handle_of(call(service, DisplayOperation::OpenPicture as u32, None, &size), "OpenPicture")?;
    let first = events(service, handle)?;
    let is_sized = matches!(first[..], [Event::Resized { width: 4096, height: 3072, scale: 64 }]);
    suite.check(is_sized, "a picture's first event is its size")?;
    posted(suite, service, handle)?;
    let junk = call(service, DisplayOperation::Present as u32, Some(handle), &[0xff; 40]);
    suite.check(junk.is_err(), "a stream that is none is refused")?;
    closed(suite, service, handle)
}

fn posted(suite: &mut Suite, service: &mut dyn Service, handle: Handle) -> Result<(), String> {
    let mut bytes = Vec::new();
    key().pack(5, &mut bytes);
    let done = call(service, DisplayOperation::Post as u32, Some(handle), &bytes);
    suite.check(done.is_ok(), "an event is taken")?;
    suite.check(events(service, handle)? == [key()], "what was posted comes back as it was")?;
    suite.check(events(service, handle)?.is_empty(), "an event comes once")
}

fn closed(suite: &mut Suite, service: &mut dyn Service, handle: Handle) -> Result<(), String> {
    let close = DisplayOperation::Close as u32;
    suite.check(call(service, close, Some(handle), &[]).is_ok(), "a surface closes")?;
    suite.check(call(service, close, Some(handle), &[]) == Err(Refusal::Stale), "what was closed is stale")
}

/// A window where there is a screen; where there is none, a word why.
fn window(suite: &mut Suite, service: &mut dyn Service, turn: &mut dyn FnMut()) -> Result<(), String> {
    let said = call(service, DisplayOperation::Availability as u32, None, &[]).map(|reply| reply.bytes).unwrap_or_default();
    let mut fields = Fields::new(&said);
    let (is, why) = (fields.u8().unwrap_or(2), fields.text().unwrap_or("?"));
    suite.check(is == 1 && why.is_empty() || is == 0 && !why.is_empty(), "there is a screen, or a word why not")?;
    let wish = Packed::default().text("conformance").u32(320).u32(200).finish();
    let opened = call(service, DisplayOperation::OpenWindow as u32, None, &wish);
    if is == 0 {
        let is_refused = matches!(opened, Err(Refusal::Failed { code: "noDisplay", .. }));
        return suite.check(is_refused, "without a screen a window is refused as noDisplay");
    }
    let handle = handle_of(opened, "OpenWindow")?;
    turn();
    let first = events(service, handle)?;
    suite.check(matches!(first.first(), Some(Event::Resized { .. })), "a window's first event is its size")?;
    posted(suite, service, handle)?;
    let copied = Packed::default().u8(0).text("grün €").finish();
    let done = call(service, DisplayOperation::SetClipboard as u32, None, &copied);
    suite.check(done.is_ok(), "a text is copied")?;
    let pasted = call(service, DisplayOperation::GetClipboard as u32, None, &[0]).map(|reply| reply.bytes);
    suite.check(pasted.as_deref() == Ok(&copied[1..]), "what was copied is pasted")?;
    closed(suite, service, handle)
}
