//! Do the sources' classes have the slots that the machine reads?
//!
//! Invariant: whatever stands in `vm::layout::known` about a class is compared here, before anything
//! is emitted; no slot number is written down a second time.

use vm::layout::{self, Format, KnownClass};

use crate::classes::Classes;
use crate::problem::Problem;
use crate::sources::{ClassDefinition, LAYOUTS};

/// The format of instances of a class: its own layout, or the inherited one if it says nothing.
pub fn format_of(classes: &Classes<'_>, name: &str) -> Format {
    let chain = classes.chain(name);
    let formats = chain.iter().filter_map(|class| {
        let known = LAYOUTS.iter().find(|(layout, _)| *layout == class.layout);
        known.map(|(_, format)| *format).filter(|format| *format != Format::Fixed)
    });
    formats.into_iter().next().unwrap_or(Format::Fixed)
}

/// The format that the machine expects of a known class.
fn expected_format(class: KnownClass) -> Format {
    match class {
        KnownClass::BoxedFloat64 | KnownClass::DoubleWordArray => Format::Words64,
        KnownClass::WideString
        | KnownClass::WideSymbol
        | KnownClass::WordArray
        | KnownClass::Float32 => Format::Words32,
        KnownClass::DoubleByteArray => Format::Words16,
        KnownClass::LargePositiveInteger
        | KnownClass::LargeNegativeInteger
        | KnownClass::ByteString
        | KnownClass::ByteSymbol
        | KnownClass::ByteArray => Format::Bytes,
        KnownClass::Array | KnownClass::BlockClosure | KnownClass::StackImage => Format::Indexable,
        KnownClass::WeakArray => Format::Weak,
        KnownClass::Ephemeron => Format::Ephemeron,
        _ => Format::Fixed,
    }
}

/// Whether a class of the world stands behind the index.
pub fn is_of_world(class: KnownClass) -> bool {
    !matches!(class, KnownClass::Forwarder | KnownClass::Filler)
}

/// What is wrong with the known classes of the sources: the file (if one is to blame) and why.
pub fn defects(classes: &Classes<'_>) -> Vec<(Option<usize>, Problem)> {
    let mut defects = Vec::new();
    for known in KnownClass::ALL.iter().copied().filter(|class| is_of_world(*class)) {
        match classes.named(known.name()) {
            None => {
                let message = format!("the machine's class `{}` is not defined", known.name());
                defects.push((None, Problem::error(1, message)));
            }
            Some(class) => defects.extend(known_class_defect(classes, known, class)),
        }
    }
    for (name, slots) in SLOTS {
        let Some(class) = classes.named(name) else {
            defects.push((
                None,
                Problem::error(1, format!("the machine's class `{name}` is not defined")),
            ));
            continue;
        };
        let variables = classes.instance_variables(name, false);
        for (slot, index) in slots.iter().flat_map(|table| table.iter()) {
            let wanted = variable_name(slot);
            if variables.get(*index).copied() != Some(wanted.as_str()) {
                let found = variables.get(*index).unwrap_or(&"nothing");
                let message = format!(
                    "slot {index} of `{name}` has to be `{wanted}` for the machine, found `{found}`"
                );
                defects.push((Some(class.file), Problem::error(class.position, message)));
            }
        }
    }
    defects
}

fn known_class_defect(
    classes: &Classes<'_>,
    known: KnownClass,
    class: &ClassDefinition,
) -> Option<(Option<usize>, Problem)> {
    let (found, wanted) = (format_of(classes, known.name()), expected_format(known));
    let message =
        format!("`{}` is {found:?} and has to be {wanted:?} for the machine", known.name());
    (found != wanted).then(|| (Some(class.file), Problem::error(class.position, message)))
}

type Table = &'static [(&'static str, usize)];

/// The slots that the machine reads, by class.
const SLOTS: &[(&str, &[Table])] = &[
    ("Behavior", &[layout::behavior::SLOTS]),
    ("Class", &[layout::behavior::SLOTS, layout::class::SLOTS]),
    ("Metaclass", &[layout::behavior::SLOTS, METACLASS]),
    ("MethodDictionary", &[layout::method_dictionary::SLOTS]),
    ("CompiledMethod", &[layout::compiled_code::SLOTS]),
    ("CompiledBlock", &[COMPILED_BLOCK]),
    ("BlockClosure", &[layout::block_closure::SLOTS]),
    ("Context", &[layout::context::SLOTS]),
    ("Process", &[layout::process::SLOTS]),
    ("Association", &[&[("KEY", 0), ("VALUE", 1)]]),
    ("Message", &[&[("SELECTOR", 0), ("ARGS", 1), ("LOOKUP_CLASS", 2)]]),
    ("Semaphore", &[&[("FIRST_LINK", 0), ("LAST_LINK", 1), ("EXCESS_SIGNALS", 2)]]),
    ("ProcessorScheduler", &[&[("QUIESCENT_PROCESS_LISTS", 0), ("ACTIVE_PROCESS", 1)]]),
];

/// Metaclasses keep their instance where classes keep their name.
const METACLASS: Table = &[
    ("THIS_CLASS", layout::class::NAME),
    ("INSTANCE_VARIABLE_NAMES", layout::class::INSTANCE_VARIABLE_NAMES),
];

/// Blocks keep the code around them where methods keep their selector.
const COMPILED_BLOCK: Table = &[
    ("FRAME", layout::compiled_code::FRAME),
    ("LITERALS", layout::compiled_code::LITERALS),
    ("BYTECODES", layout::compiled_code::BYTECODES),
    ("SITES", layout::compiled_code::SITES),
    ("SOURCE_MAP", layout::compiled_code::SOURCE_MAP),
    ("OUTER_CODE", layout::compiled_code::SELECTOR),
];

/// `INSTANCE_VARIABLE_NAMES` in the table is `instanceVariableNames` in the world.
fn variable_name(slot: &str) -> String {
    if slot == "METHOD_DICTIONARY" {
        return "methodDict".into();
    }
    let mut name = String::new();
    for (index, part) in slot.split('_').enumerate() {
        let lower = part.to_lowercase();
        match (index, lower.chars().next()) {
            (0, _) | (_, None) => name.push_str(&lower),
            (_, Some(first)) => {
                name.extend(first.to_uppercase());
                name.push_str(&lower[first.len_utf8()..]);
            }
        }
    }
    name
}
