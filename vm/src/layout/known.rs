//! Classes and objects that the machine itself knows, and the slots of theirs that it reads.
//!
//! `seed` gives known classes these indices; every other class gets the next free one in the order
//! of the manifest. The Smalltalk side reads the same table through the mirror of the machine.

/// The index of a class in the class table; 22 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ClassIndex(pub u32);

macro_rules! known_classes {
    ($($index:literal $name:ident $doc:literal;)*) => {
        /// The classes that the machine knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum KnownClass { $(#[doc = $doc] $name = $index,)* }

        impl KnownClass {
            /// Every known class, in order of index.
            pub const ALL: &'static [KnownClass] = &[$(KnownClass::$name),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
            /// The class index.
            pub const fn index(self) -> ClassIndex { ClassIndex(self as u32) }
            /// The name in the world.
            pub const fn name(self) -> &'static str {
                match self { $(KnownClass::$name => stringify!($name),)* }
            }
        }
    };
}

known_classes! {
    1 Forwarder "What a `become:` leaves behind; fails every class guard. Not a class of the world.";
    2 Filler "Free memory in a block. Not a class of the world.";
    3 LostObject "What stands where a page was lost, and the class of every lost value.";
    4 SmallInteger "62-bit integers in the word.";
    5 Character "Unicode scalar values in the word.";
    6 UndefinedObject "The class of nil.";
    7 True "The class of true.";
    8 False "The class of false.";
    9 BoxedFloat64 "IEEE 754 doubles: one Words64 slot.";
    10 LargePositiveInteger "Magnitude in little-endian bytes, no leading zero byte.";
    11 LargeNegativeInteger "The same, below zero.";
    12 Array "Indexable references.";
    13 ByteString "Code points below 256, a byte each.";
    14 WideString "Code points, 32 bits each.";
    15 ByteSymbol "Unique strings of code points below 256.";
    16 WideSymbol "Unique wide strings.";
    17 ByteArray "Raw bytes.";
    18 Association "Key and value; global and class variables are bound through these.";
    19 CompiledMethod "A method: see `compiled_code`.";
    20 CompiledBlock "The code of a closure: see `compiled_code`.";
    21 BlockClosure "A closure: see `block_closure`.";
    22 Context "A reified frame: see `context`.";
    23 Message "Selector, arguments, lookup class: made by the machine for `doesNotUnderstand:`.";
    24 MethodDictionary "See `method_dictionary`.";
    25 Metaclass "Class of classes: see `class`.";
    26 Process "A green process: see `process`.";
    27 Semaphore "firstLink, lastLink, excessSignals.";
    28 ProcessorScheduler "quiescentProcessLists (Array by priority), activeProcess.";
    29 WeakArray "Indexable references that do not keep.";
    30 Ephemeron "key, value, and what to do when the key dies.";
    31 StackImage "The frames of a process, as copied by a snapshot.";
    32 Float32 "Reserved: 32-bit raw floats.";
    33 WordArray "32-bit raw words.";
    34 DoubleWordArray "64-bit raw words.";
    35 DoubleByteArray "16-bit raw words.";
}

/// The first class index that `seed` gives to a class that the machine does not know.
pub const FIRST_FREE_CLASS: ClassIndex = ClassIndex(64);

macro_rules! known_objects {
    ($($index:literal $name:ident $doc:literal;)*) => {
        /// The root objects that the machine knows: the slots of the `KnownObjects` array.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum KnownObject { $(#[doc = $doc] $name = $index,)* }

        impl KnownObject {
            /// Every known object, in order.
            pub const ALL: &'static [KnownObject] = &[$(KnownObject::$name),*];
            /// The name of the slot.
            pub const fn name(self) -> &'static str {
                match self { $(KnownObject::$name => stringify!($name),)* }
            }
            /// What it is, in one sentence; of a selector, the selector first.
            pub const fn description(self) -> &'static str {
                match self { $(KnownObject::$name => $doc,)* }
            }
            /// The selector, if the object is one.
            pub fn selector(self) -> Option<&'static str> {
                let text = self.description().strip_prefix('#')?;
                text.split([' ', ',']).next().filter(|_| self.name().starts_with("Selector"))
            }
        }
    };
}

known_objects! {
    0 Nil "nil, the first object of the walk.";
    1 True "true.";
    2 False "false.";
    3 Smalltalk "The SystemDictionary: global name (Symbol) to Association.";
    4 Processor "The ProcessorScheduler.";
    5 SymbolTable "The table of all symbols: an Array in open addressing by string hash, weak.";
    6 SelectorDoesNotUnderstand "#doesNotUnderstand:";
    7 SelectorMustBeBoolean "#mustBeBoolean, sent to a non-boolean receiver of a conditional jump; the jump tests the answer instead.";
    8 SelectorCannotReturn "#cannotReturn: , sent with the value to the Context of the frame that executes ^ when its home frame is gone; the answer becomes the value of the block.";
    9 SelectorAboutToReturn "#aboutToReturn:through: , sent with the value and the Context of the nearest unwind-marked frame to the Context of the frame that executes ^, when the return would pass one; it never answers.";
    10 SelectorRun "#run , what a new process starts with.";
    11 SpecialSelectors "Array of the selectors of the arithmetic bytecodes, in table order.";
    12 TimerSemaphore "Signalled when the timer's deadline passes, or nil.";
    13 InterruptSemaphore "Signalled by the interrupt key, or nil.";
    14 FinalizationSemaphore "Signalled when ephemerons were fired, or nil.";
    15 FinalizationQueue "Array or nil: ephemerons that were fired and not yet taken.";
    16 LowSpaceSemaphore "Signalled when memory is short, or nil.";
    17 ExternalSemaphores "Array of semaphores that services signal by index.";
    18 SelectorStackOverflow "#stackOverflow , sent to the Process class's instance when the memory cap of its stack is met.";
    19 SelectorLostObject "#lostObject: , reserved for sends that meet lost data.";
    20 Sessions "The world's list of live Session objects, or nil.";
    21 WakeList "Array of objects that are sent #wake in order after an opening.";
    22 MainProcessStart "The closure or message that a world starts with, or nil.";
    23 StartupOrder "Array of the CompiledMethods that an opening runs, in order, or nil: a new world has them and what they need side by side.";
}

macro_rules! slots {
    ($(#[$meta:meta])* $module:ident { $($index:literal $name:ident $doc:literal;)* }) => {
        $(#[$meta])*
        pub mod $module {
            $(#[doc = $doc] pub const $name: usize = $index;)*
            /// Every slot: its name in the world in capitals, its index.
            pub const SLOTS: &[(&str, usize)] = &[$((stringify!($name), $index)),*];
        }
    };
}

slots! {
    /// Slots that every Behavior starts with (Class and Metaclass alike).
    behavior {
        0 SUPERCLASS "The superclass, or nil.";
        1 METHOD_DICTIONARY "The MethodDictionary.";
        2 FORMAT "SmallInteger: named slot count in bits 0–15, `Format` (the base value) in bits 16–20.";
        3 CLASS_INDEX "SmallInteger: the class index.";
        4 ORGANIZATION "A MethodDictionary: selector to protocol name (Symbol), same keys as METHOD_DICTIONARY.";
    }
}

slots! {
    /// Further slots of Class and Metaclass that `seed` fills; the machine reads only NAME for traces.
    class {
        5 NAME "Class: the Symbol. Metaclass: THIS_CLASS, the only instance.";
        6 INSTANCE_VARIABLE_NAMES "Class and Metaclass: Array of Symbols, those that it adds (empty if none).";
        7 CLASS_POOL "Class: class variables, a Dictionary (Symbol to Association), or nil.";
        8 SHARED_POOLS "Class: Array of pools, or nil.";
        9 PACKAGE "Class: the package name (Symbol), or nil.";
        10 COMMENT "Class: the comment (String), or nil.";
        11 SUBCLASSES "Class: Array of direct subclasses, or nil.";
        12 TRAITS "The composition of traits, or nil.";
        13 PROPERTIES "A Dictionary of anything else, or nil.";
    }
}

slots! {
    /// MethodDictionary: open addressing with linear probing by the selector's identity hash,
    /// capacity a power of two, at most three quarters full.
    method_dictionary {
        0 TALLY "SmallInteger: how many methods.";
        1 KEYS "Array of selectors, nil where empty.";
        2 VALUES "Array of CompiledMethods, parallel to KEYS.";
    }
}

slots! {
    /// CompiledMethod and CompiledBlock; slots 0 to 4 are common.
    compiled_code {
        0 FRAME "SmallInteger: arguments in bits 0–7, arguments, copied values and temporaries (the whole frame) in bits 8–23, greatest stack depth in bits 24–39, copied values in bits 40–47, flags in bits 48–55 (see `bytecode::frame_flags`).";
        1 LITERALS "Array: constants, bindings (Association), CompiledBlocks.";
        2 BYTECODES "ByteArray.";
        3 SITES "Array of selectors: one for each send site, by index.";
        4 SOURCE_MAP "ByteArray: pc to source position, see `bytecode`.";
        5 SELECTOR "Method: the Symbol. Block: the CompiledCode it stands in.";
        6 METHOD_CLASS "Method: the class that holds it (of `super`). Block: nil.";
        7 PRIMITIVE "Method: the primitive's name (Symbol), or nil. Block: nil.";
        8 SOURCE "Method: the source (String), or nil. Block: nil.";
        9 PROPERTIES "Method: pragmas and what else is known of it, or nil. Block: nil.";
    }
}

slots! {
    /// BlockClosure: copied values follow in the indexable slots.
    block_closure {
        0 OUTER "SmallInteger: serial of the frame that made it, or nil for a clean block.";
        1 CODE "The CompiledBlock.";
        2 RECEIVER "The receiver of the home method.";
        3 HOME "SmallInteger: serial of the home method's frame, target of ^, or nil for a clean block.";
        4 METHOD "The CompiledMethod it stands in.";
    }
}

slots! {
    /// Context: a frame's stand-in, made when someone asks for it. While the frame lives, the frame
    /// is the truth and these slots but PROCESS and SERIAL are read through it.
    context {
        0 PROCESS "The Process whose stack holds the frame.";
        1 SERIAL "SmallInteger: the frame's serial.";
        2 SENDER "When the frame is gone: nil, or what the sender was.";
        3 PC "When the frame is gone: SmallInteger, or nil.";
        4 CODE "The CompiledCode.";
        5 RECEIVER "The receiver.";
        6 CLOSURE "The closure, or nil.";
    }
}

slots! {
    /// Process.
    process {
        0 NEXT_LINK "The next process in a list, or nil.";
        1 STACK "The StackImage, or nil: what it resumes from after an opening.";
        2 PRIORITY "SmallInteger, 1 to 100.";
        3 MY_LIST "The Semaphore or list it waits in, or nil.";
        4 NAME "String, or nil.";
        5 SESSION "The Session, or nil for a process of the world.";
        6 STATE "SmallInteger: 0 new, 1 ready, 2 running, 3 waiting, 4 suspended, 5 terminated.";
        7 START "The closure that it runs.";
        8 ENVIRONMENT "Process-local variables, or nil.";
        9 SERIAL "SmallInteger: identifies the machine's stack of it within a session.";
    }
}

/// A well-known thing by name, for tables and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A class.
    Class(KnownClass),
    /// An object.
    Object(KnownObject),
}

#[cfg(test)]
mod tests {
    use super::KnownObject;

    #[test]
    fn known_selectors_are_read_from_the_table() {
        assert_eq!(KnownObject::SelectorDoesNotUnderstand.selector(), Some("doesNotUnderstand:"));
        assert_eq!(KnownObject::SelectorMustBeBoolean.selector(), Some("mustBeBoolean"));
        assert_eq!(KnownObject::Nil.selector(), None);
        for known in KnownObject::ALL.iter().filter(|known| known.name().starts_with("Selector")) {
            let arity = known.selector().and_then(crate::bytecode::arity);
            assert!(arity.is_some(), "{}", known.name());
        }
    }
}
