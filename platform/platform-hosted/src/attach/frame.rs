//! What is said between a world's process and a guest: frames of a length, a kind and fields.
//!
//! A frame is `u32` length of its payload, `u8` kind, payload; little-endian. The first frame of a guest
//! begins, in every version, with `warm` and the version (`u32`), so that each can say what is the matter.
//!
//! Invariants
//! - F1 A payload of more than [`MOST_BYTES`] is refused by its length alone; a shorter one takes memory
//!   as its bytes arrive.
//! - F2 A frame is decoded whole, to its last byte, or is an error.

use platform::Refusal;
use platform::operations::{Fields, Packed};
use std::io::{self, Read};
use vm::interpret::HostValue;

/// The version of what is said.
pub const VERSION: u32 = 1;
const MAGIC: u32 = u32::from_le_bytes(*b"warm");
/// The longest payload.
pub const MOST_BYTES: usize = 8 << 20;
/// The most words of a command line.
const MOST_WORDS: u32 = 100_000;

/// Kinds of frames: a guest's from 1, an owner's from 65.
mod kind {
    pub const HELLO: u8 = 1;
    pub const INPUT: u8 = 2;
    pub const INTERRUPT: u8 = 3;
    pub const ASK: u8 = 4;
    pub const WELCOME: u8 = 65;
    pub const REFUSED: u8 = 66;
    pub const OUT: u8 = 67;
    pub const ERR: u8 = 68;
    pub const WANTED: u8 = 69;
    pub const TALK: u8 = 70;
    pub const ANSWER: u8 = 71;
    pub const EXIT: u8 = 72;
}

/// How a guest introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// What it wants: a kind of session, or a command of the store.
    pub kind: String,
    /// What it is about: a source, a script's path.
    pub subject: Option<String>,
    /// The arguments.
    pub words: Vec<String>,
    /// The working folder.
    pub folder: Option<String>,
    /// Whether standard input, output and error are terminals.
    pub terminals: [bool; 3],
    /// Columns and rows.
    pub extent: (u32, u32),
}

/// What a conversation is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Question {
    /// To deal with a line.
    Submit = 0,
    /// Whether a text only lacks its end.
    IsIncomplete = 1,
    /// What stands before the next line.
    Prompt = 2,
    /// What words can be completed to.
    AllNames = 3,
    /// To end.
    Close = 4,
}

impl Question {
    const ALL: [Question; 5] =
        [Question::Submit, Question::IsIncomplete, Question::Prompt, Question::AllNames, Question::Close];

    /// The message to the conversation; whether it takes the text.
    pub fn selector(self) -> (&'static str, bool) {
        match self {
            Question::Submit => ("submit:", true),
            Question::IsIncomplete => ("isIncomplete:", true),
            Question::Prompt => ("prompt", false),
            Question::AllNames => ("allNames", false),
            Question::Close => ("close", false),
        }
    }
}

/// What a conversation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that could be told.
    Nothing,
    /// Yes or no.
    Truth(bool),
    /// A text.
    Text(String),
}

impl From<HostValue> for Answer {
    fn from(value: HostValue) -> Answer {
        match value {
            HostValue::Text(text) => Answer::Text(text),
            HostValue::Boolean(truth) => Answer::Truth(truth),
            _ => Answer::Nothing,
        }
    }
}

/// What a guest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToOwner {
    /// The first frame.
    Hello(Hello),
    /// What was read from standard input; empty at its end.
    Input(Vec<u8>),
    /// The interrupt key.
    Interrupt,
    /// A question to the conversation.
    Ask(Question, String),
}

/// What a guest is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGuest {
    /// It is let in.
    Welcome,
    /// It is not, or not any longer: exit status and why.
    Refused(u8, String),
    /// For standard output.
    Out(Vec<u8>),
    /// For standard error.
    Err(Vec<u8>),
    /// Something of standard input is wanted.
    Wanted,
    /// A conversation is there: lead it.
    Talk,
    /// What the conversation answered.
    Answer(Answer),
    /// The session ended, and what it did is durable.
    Exit(u8),
}

/// A frame that arrived and was not looked at.
#[derive(Debug)]
pub struct Claimed {
    kind: u8,
    bytes: Vec<u8>,
}

/// The next frame; `None` at the end.
pub fn read(from: &mut impl Read) -> io::Result<Option<Claimed>> {
    let mut head = [0; 5];
    let mut done = 0;
    while done < head.len() {
        match from.read(&mut head[done..]) {
            Ok(0) if done == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let [a, b, c, d, kind] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > MOST_BYTES {
        let message = format!("a frame of {length} bytes is longer than {MOST_BYTES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(Claimed { kind, bytes }))
}

fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 5);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(payload);
    bytes
}

/// A text, cut where a frame has no more room.
fn fitting(text: &str) -> &str {
    let mut end = text.len().min(MOST_BYTES - 64);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::Malformed(what) => what,
        other => format!("{other:?}"),
    }
}

fn truth(byte: u8) -> Result<bool, Refusal> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Refusal::Malformed(format!("{other} is neither 0 nor 1"))),
    }
}

fn optional(fields: &mut Fields<'_>) -> Result<Option<String>, Refusal> {
    Ok(if truth(fields.u8()?)? { Some(fields.text()?.to_owned()) } else { None })
}

fn put_optional(packed: Packed, text: Option<&str>) -> Packed {
    match text {
        Some(text) => packed.u8(1).text(text),
        None => packed.u8(0),
    }
}

impl Hello {
    fn packed(&self) -> Packed {
        let packed = Packed::default().u32(MAGIC).u32(VERSION).text(&self.kind);
        let packed = put_optional(packed, self.subject.as_deref());
        let packed = packed.u32(self.words.len() as u32).texts(self.words.iter().cloned());
        let packed = put_optional(packed, self.folder.as_deref());
        let packed = self.terminals.iter().fold(packed, |packed, &is| packed.u8(is.into()));
        packed.u32(self.extent.0).u32(self.extent.1)
    }

    fn unpacked(fields: &mut Fields<'_>) -> Result<Hello, Refusal> {
        let malformed = |what: String| Err(Refusal::Malformed(what));
        if fields.u32()? != MAGIC {
            return malformed("this is no warm".to_owned());
        }
        match fields.u32()? {
            VERSION => {}
            other => {
                return malformed(format!(
                    "the world is open in another version of warm: it speaks version {VERSION}, the guest {other}; \
                     use the same program for both"
                ));
            }
        }
        let kind = fields.text()?.to_owned();
        let subject = optional(fields)?;
        let count = fields.u32()?;
        if count > MOST_WORDS {
            return malformed(format!("{count} words are more than {MOST_WORDS}"));
        }
        let words = (0..count).map(|_| fields.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let folder = optional(fields)?;
        let terminals = [truth(fields.u8()?)?, truth(fields.u8()?)?, truth(fields.u8()?)?];
        Ok(Hello { kind, subject, words, folder, terminals, extent: (fields.u32()?, fields.u32()?) })
    }
}

impl ToOwner {
    /// The frame.
    pub fn encoded(&self) -> Vec<u8> {
        match self {
            ToOwner::Hello(hello) => framed(kind::HELLO, &hello.packed().finish()),
            ToOwner::Input(bytes) => framed(kind::INPUT, bytes),
            ToOwner::Interrupt => framed(kind::INTERRUPT, &[]),
            ToOwner::Ask(question, text) => {
                framed(kind::ASK, &Packed::default().u8(*question as u8).text(text).finish())
            }
        }
    }
}

impl ToGuest {
    /// The frame.
    pub fn encoded(&self) -> Vec<u8> {
        match self {
            ToGuest::Welcome => framed(kind::WELCOME, &Packed::default().u32(VERSION).finish()),
            ToGuest::Refused(status, why) => framed(kind::REFUSED, &Packed::default().u8(*status).text(fitting(why)).finish()),
            ToGuest::Out(bytes) => framed(kind::OUT, bytes),
            ToGuest::Err(bytes) => framed(kind::ERR, bytes),
            ToGuest::Wanted => framed(kind::WANTED, &[]),
            ToGuest::Talk => framed(kind::TALK, &[]),
            ToGuest::Answer(answer) => {
                let packed = Packed::default();
                let packed = match answer {
                    Answer::Nothing => packed.u8(0),
                    Answer::Truth(truth) => packed.u8(1).u8((*truth).into()),
                    Answer::Text(text) => packed.u8(2).text(fitting(text)),
                };
                framed(kind::ANSWER, &packed.finish())
            }
            ToGuest::Exit(status) => framed(kind::EXIT, &[*status]),
        }
    }
}

impl Claimed {
    fn whole<T>(&self, decode: impl FnOnce(u8, &mut Fields<'_>) -> Result<T, Refusal>) -> Result<T, String> {
        let mut fields = Fields::new(&self.bytes);
        let decoded = decode(self.kind, &mut fields).map_err(told)?;
        if fields.is_at_end() { Ok(decoded) } else { Err(format!("a frame of kind {} is too long", self.kind)) }
    }

    /// As a guest's.
    pub fn to_owner(&self) -> Result<ToOwner, String> {
        self.whole(|code, fields| {
            Ok(match code {
                kind::HELLO => ToOwner::Hello(Hello::unpacked(fields)?),
                kind::INPUT => ToOwner::Input(fields.bytes().to_vec()),
                kind::INTERRUPT => ToOwner::Interrupt,
                kind::ASK => {
                    let asked = fields.u8()?;
                    let question = Question::ALL.into_iter().find(|question| *question as u8 == asked);
                    let unknown = || Refusal::Malformed(format!("no question {asked}"));
                    ToOwner::Ask(question.ok_or_else(unknown)?, fields.text()?.to_owned())
                }
                other => return Err(Refusal::Malformed(format!("no frame of kind {other}"))),
            })
        })
    }

    /// As an owner's.
    pub fn to_guest(&self) -> Result<ToGuest, String> {
        self.whole(|code, fields| {
            Ok(match code {
                kind::WELCOME => match fields.u32()? {
                    VERSION => ToGuest::Welcome,
                    other => return Err(Refusal::Malformed(format!("it speaks version {other}, this program {VERSION}"))),
                },
                kind::REFUSED => ToGuest::Refused(fields.u8()?, fields.text()?.to_owned()),
                kind::OUT => ToGuest::Out(fields.bytes().to_vec()),
                kind::ERR => ToGuest::Err(fields.bytes().to_vec()),
                kind::WANTED => ToGuest::Wanted,
                kind::TALK => ToGuest::Talk,
                kind::ANSWER => ToGuest::Answer(match fields.u8()? {
                    0 => Answer::Nothing,
                    1 => Answer::Truth(truth(fields.u8()?)?),
                    2 => Answer::Text(fields.text()?.to_owned()),
                    other => return Err(Refusal::Malformed(format!("no answer of kind {other}"))),
                }),
                kind::EXIT => ToGuest::Exit(fields.u8()?),
                other => return Err(Refusal::Malformed(format!("no frame of kind {other}"))),
            })
        })
    }
}

/// Whatever bytes arrive, they are frames or an error, and what was decoded says the same again.
#[cfg(test)]
fn check(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(frame)) = read(&mut rest) {
        let again = |bytes: Vec<u8>| assert_eq!(&bytes[5..], &frame.bytes[..]);
        if let Ok(said) = frame.to_owner() {
            again(said.encoded());
        }
        if let Ok(told) = frame.to_guest() {
            again(told.encoded());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            kind: "eval".to_owned(),
            subject: Some("3 + 4 ü".to_owned()),
            words: vec!["a".to_owned(), String::new()],
            folder: None,
            terminals: [true, false, true],
            extent: (80, 24),
        }
    }

    fn all_said() -> Vec<ToOwner> {
        vec![
            ToOwner::Hello(hello()),
            ToOwner::Hello(Hello::default()),
            ToOwner::Input(vec![0, 255]),
            ToOwner::Input(Vec::new()),
            ToOwner::Interrupt,
            ToOwner::Ask(Question::Close, "x".to_owned()),
        ]
    }

    #[test]
    fn what_is_said_arrives() {
        for said in all_said() {
            let bytes = said.encoded();
            let frame = read(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!(frame.to_owner(), Ok(said));
        }
        let told = [
            ToGuest::Welcome,
            ToGuest::Refused(69, "no".to_owned()),
            ToGuest::Out(vec![1]),
            ToGuest::Err(Vec::new()),
            ToGuest::Wanted,
            ToGuest::Talk,
            ToGuest::Answer(Answer::Text("ü".to_owned())),
            ToGuest::Answer(Answer::Truth(true)),
            ToGuest::Answer(Answer::Nothing),
            ToGuest::Exit(7),
        ];
        for told in told {
            let bytes = told.encoded();
            assert_eq!(read(&mut &bytes[..]).unwrap().unwrap().to_guest(), Ok(told));
        }
    }

    #[test]
    fn another_version_is_told_by_its_number() {
        let mut bytes = ToOwner::Hello(hello()).encoded();
        bytes[9] = 9;
        let told = read(&mut &bytes[..]).unwrap().unwrap().to_owner().unwrap_err();
        assert!(told.contains("the guest 9"), "{told}");
        bytes[5] = b'W';
        assert!(read(&mut &bytes[..]).unwrap().unwrap().to_owner().unwrap_err().contains("no warm"));
    }

    #[test]
    fn long_frames_are_refused_by_their_length() {
        let error = read(&mut &[255, 255, 255, 255, 2][..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(read(&mut &[9, 0, 0, 0, 2, 1][..]).is_err());
        assert!(read(&mut &[9, 0][..]).is_err());
    }

    #[test]
    fn hostile_bytes_are_frames_or_errors() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..20_000 {
            let said = all_said();
            let mut bytes = said[round % said.len()].encoded();
            for _ in 0..random() % 4 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
            bytes.truncate(1 + random() as usize % (bytes.len() + 8));
            check(&bytes);
        }
    }
}
