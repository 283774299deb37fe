//! Which messages are compiled in place: one table of shapes for the passes that need to know.

use crate::ast::{Block, Expression, Message, Pseudo};

/// The shape of a message that is compiled in place.
#[derive(Clone, Copy, Debug)]
pub enum Inlined<'a> {
    /// `ifTrue:` or `ifFalse:`, the block that runs, and whether it runs on true.
    If(&'a Block, bool),
    /// `ifTrue:ifFalse:` and its mirror: the two blocks in source order, and whether the first
    /// runs on true.
    IfElse(&'a Block, &'a Block, bool),
    /// `and:`
    And(&'a Block),
    /// `or:`
    Or(&'a Block),
    /// `ifNil:`
    IfNil(&'a Block),
    /// `ifNotNil:`
    IfNotNil(&'a Block),
    /// `ifNil:ifNotNil:`
    IfNilElse(&'a Block, &'a Block),
    /// `ifNotNil:ifNil:`
    IfNotNilElse(&'a Block, &'a Block),
    /// `whileTrue:` and kin: condition, body if any, and whether it goes on while true.
    While(&'a Block, Option<&'a Block>, bool),
    /// `repeat`
    Repeat(&'a Block),
    /// `to:do:` and `to:by:do:`: limit, step if written, body.
    ToDo(&'a Expression, Option<&'a Expression>, &'a Block),
}

/// The shape of a message outside cascades, if it is compiled in place.
pub fn inlined<'a>(receiver: &'a Expression, message: &'a Message) -> Option<Inlined<'a>> {
    if matches!(receiver, Expression::Pseudo(Pseudo::Super, _)) {
        return None;
    }
    let plain =
        |index: usize| message.arguments[index].as_block().filter(|b| b.arguments.is_empty());
    let optional =
        |index: usize| message.arguments[index].as_block().filter(|b| b.arguments.len() <= 1);
    let counted =
        |index: usize| message.arguments[index].as_block().filter(|b| b.arguments.len() == 1);
    let looped = || receiver.as_block().filter(|b| b.arguments.is_empty());
    Some(match message.selector.as_str() {
        "ifTrue:" => Inlined::If(plain(0)?, true),
        "ifFalse:" => Inlined::If(plain(0)?, false),
        "ifTrue:ifFalse:" => Inlined::IfElse(plain(0)?, plain(1)?, true),
        "ifFalse:ifTrue:" => Inlined::IfElse(plain(0)?, plain(1)?, false),
        "and:" => Inlined::And(plain(0)?),
        "or:" => Inlined::Or(plain(0)?),
        "ifNil:" => Inlined::IfNil(plain(0)?),
        "ifNotNil:" => Inlined::IfNotNil(optional(0)?),
        "ifNil:ifNotNil:" => Inlined::IfNilElse(plain(0)?, optional(1)?),
        "ifNotNil:ifNil:" => Inlined::IfNotNilElse(optional(0)?, plain(1)?),
        "whileTrue:" => Inlined::While(looped()?, Some(plain(0)?), true),
        "whileFalse:" => Inlined::While(looped()?, Some(plain(0)?), false),
        "whileTrue" => Inlined::While(looped()?, None, true),
        "whileFalse" => Inlined::While(looped()?, None, false),
        "repeat" => Inlined::Repeat(looped()?),
        "to:do:" => Inlined::ToDo(&message.arguments[0], None, counted(1)?),
        "to:by:do:" => {
            let step = &message.arguments[1];
            step.as_number().filter(|number| !number.is_zero_number())?;
            Inlined::ToDo(&message.arguments[0], Some(step), counted(2)?)
        }
        _ => return None,
    })
}
