//! The syntax tree of a method: what was written, before names mean anything.
//!
//! Invariants
//! - A1 Blocks and variable occurrences are numbered in source order, from 0, so that later passes
//!   keep what they find in tables beside the tree and leave the tree alone.
//! - A2 No tree is deeper than [`MAX_DEPTH`], so passes may recurse.

use crate::number::Integer;
use crate::problem::Span;

/// The greatest depth of a tree, and of nested parentheses, blocks and arrays.
pub const MAX_DEPTH: usize = 256;

/// A literal value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// nil, inside a literal array or a pragma.
    Nil,
    /// true.
    True,
    /// false.
    False,
    /// An integer.
    Integer(Integer),
    /// A Float, by its bits.
    Float(u64),
    /// A ScaledDecimal: numerator, denominator (reduced), scale.
    Scaled(Integer, Integer, u32),
    /// A Character.
    Character(char),
    /// A String.
    String(String),
    /// A Symbol.
    Symbol(String),
    /// A literal array.
    Array(Vec<Literal>),
    /// A byte array.
    Bytes(Vec<u8>),
}

impl Literal {
    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Literal::Integer(_) | Literal::Float(_) | Literal::Scaled(..))
    }

    /// Whether it is a number below zero.
    pub fn is_negative_number(&self) -> bool {
        match self {
            Literal::Integer(value) | Literal::Scaled(value, ..) => value.negative,
            Literal::Float(bits) => f64::from_bits(*bits) < 0.0,
            _ => false,
        }
    }

    /// Whether it is the number zero.
    pub fn is_zero_number(&self) -> bool {
        match self {
            Literal::Integer(value) | Literal::Scaled(value, ..) => value.is_zero(),
            Literal::Float(bits) => f64::from_bits(*bits) == 0.0,
            _ => false,
        }
    }
}

/// A declared name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// An occurrence of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// Its number among the occurrences of the method.
    pub occurrence: usize,
    /// Where it stands.
    pub span: Span,
}

/// Names that are not variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pseudo {
    /// self.
    Receiver,
    /// super, as a receiver.
    Super,
    /// thisContext.
    ThisContext,
    /// nil.
    Nil,
    /// true.
    True,
    /// false.
    False,
}

impl Pseudo {
    /// The pseudo-variable of a name.
    pub fn named(name: &str) -> Option<Pseudo> {
        Some(match name {
            "self" => Pseudo::Receiver,
            "super" => Pseudo::Super,
            "thisContext" => Pseudo::ThisContext,
            "nil" => Pseudo::Nil,
            "true" => Pseudo::True,
            "false" => Pseudo::False,
            _ => return None,
        })
    }
}

/// A message without its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The selector.
    pub selector: String,
    /// The arguments.
    pub arguments: Vec<Expression>,
    /// From the first keyword to the last argument, its parentheses included.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A literal.
    Literal(Literal, Span),
    /// A pseudo-variable.
    Pseudo(Pseudo, Span),
    /// A variable.
    Variable(Variable),
    /// An assignment.
    Assignment(Variable, Box<Expression>, Span),
    /// A message to a receiver.
    Send(Box<Expression>, Message, Span),
    /// Several messages to one receiver.
    Cascade(Box<Expression>, Vec<Message>, Span),
    /// A brace array.
    Brace(Vec<Expression>, Span),
    /// A block.
    Block(Box<Block>),
}

impl Expression {
    /// Where it stands, without parentheses around it.
    pub fn span(&self) -> Span {
        match self {
            Expression::Variable(variable) => variable.span,
            Expression::Block(block) => block.span,
            Expression::Literal(_, span)
            | Expression::Pseudo(_, span)
            | Expression::Assignment(_, _, span)
            | Expression::Send(_, _, span)
            | Expression::Cascade(_, _, span)
            | Expression::Brace(_, span) => *span,
        }
    }

    /// The block, if it is one.
    pub fn as_block(&self) -> Option<&Block> {
        match self {
            Expression::Block(block) => Some(block),
            _ => None,
        }
    }

    /// The literal number, if it is one.
    pub fn as_number(&self) -> Option<&Literal> {
        match self {
            Expression::Literal(literal, _) if literal.is_number() => Some(literal),
            _ => None,
        }
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// An expression, its value dropped unless it is the last of a block.
    Expression(Expression),
    /// `^` and an expression.
    Return(Expression, Span),
}

/// Temporaries and statements.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Body {
    /// The temporaries.
    pub temporaries: Vec<Declaration>,
    /// The statements.
    pub statements: Vec<Statement>,
}

impl Body {
    /// Whether the last statement is a return.
    pub fn ends_in_return(&self) -> bool {
        matches!(self.statements.last(), Some(Statement::Return(..)))
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number among the blocks of the method.
    pub number: usize,
    /// The arguments.
    pub arguments: Vec<Declaration>,
    /// Temporaries and statements.
    pub body: Body,
    /// With its brackets.
    pub span: Span,
}

/// `<selector with: arguments>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pragma {
    /// The selector.
    pub selector: String,
    /// The arguments.
    pub arguments: Vec<Literal>,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Method {
    /// The selector.
    pub selector: String,
    /// The arguments.
    pub arguments: Vec<Declaration>,
    /// Temporaries and statements.
    pub body: Body,
    /// The name of the primitive.
    pub primitive: Option<String>,
    /// The temporary in which the machine leaves why the primitive declined.
    pub reason: Option<Declaration>,
    /// Whether `<unwind>` was written.
    pub unwind: bool,
    /// Whether `<handler>` was written.
    pub handler: bool,
    /// The other pragmas, in order.
    pub pragmas: Vec<Pragma>,
    /// How many blocks there are.
    pub blocks: usize,
    /// How many occurrences of variables there are.
    pub occurrences: usize,
    /// Code points of the source.
    pub length: u32,
}
