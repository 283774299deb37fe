//! The table of primitives: one row a primitive, for the machine, the documentation and the mirror.

/// One primitive: its name, its family, how many arguments, what it does and when it declines.
#[derive(Clone, Copy, Debug)]
pub struct PrimitiveRow {
    /// The name in `<primitive: #name>`.
    pub name: &'static str,
    /// The family: the file that holds it.
    pub family: &'static str,
    /// Arguments, the receiver not counted.
    pub arguments: u8,
    /// What it answers, and when it declines.
    pub description: &'static str,
}

macro_rules! primitives {
    ($($family:ident { $($name:ident $arguments:literal $description:literal;)* })*) => {
        /// Every primitive, family by family.
        pub const PRIMITIVES: &[PrimitiveRow] = &[$($(PrimitiveRow {
            name: stringify!($name),
            family: stringify!($family),
            arguments: $arguments,
            description: $description,
        },)*)*];
    };
}

primitives! {
    integer {
        integerAdd 1 "Sum of two integers, small or large, normalised; declines for other classes.";
        integerSubtract 1 "Difference of two integers.";
        integerMultiply 1 "Product of two integers.";
        integerDivide 1 "Exact quotient; declines if it is not an integer, or by zero.";
        integerFloorDivide 1 "Quotient rounded down; declines by zero.";
        integerModulo 1 "Remainder of the floor quotient, sign of the divisor; declines by zero.";
        integerQuo 1 "Quotient truncated; declines by zero.";
        integerRem 1 "Remainder of the truncated quotient; declines by zero.";
        integerLess 1 "Whether the receiver is less than an integer.";
        integerGreater 1 "Whether it is greater.";
        integerLessEqual 1 "Whether it is less or equal.";
        integerGreaterEqual 1 "Whether it is greater or equal.";
        integerEqual 1 "Whether two integers are equal.";
        integerNotEqual 1 "Whether they are not.";
        integerBitAnd 1 "Bits of both, two's complement.";
        integerBitOr 1 "Bits of either.";
        integerBitXor 1 "Bits of one.";
        integerBitShift 1 "Shifted left, or right (floor) if negative; declines above the memory cap.";
        integerHighBit 0 "Index of the highest bit of the magnitude, 0 for 0.";
        integerGcd 1 "Greatest common divisor.";
        integerPrintBase 1 "The digits in base 2 to 36 as a ByteString, with sign.";
        integerAsFloat 0 "The nearest Float, ties to even.";
        integerAsCharacter 0 "The Character of a scalar value; declines if it is none.";
    }
    float {
        floatAdd 1 "Sum of two Floats, or of a Float and an Integer that a Float holds exactly.";
        floatSubtract 1 "Difference.";
        floatMultiply 1 "Product.";
        floatDivide 1 "Quotient; declines by zero.";
        floatLess 1 "Comparison; exact for integers.";
        floatGreater 1 "Comparison.";
        floatLessEqual 1 "Comparison.";
        floatGreaterEqual 1 "Comparison.";
        floatEqual 1 "Comparison.";
        floatNotEqual 1 "Comparison.";
        floatTruncated 0 "The integer towards zero; declines for infinities and NaN.";
        floatFractionPart 0 "What truncation drops.";
        floatExponent 0 "The unbiased binary exponent; declines for 0, infinities and NaN.";
        floatTimesTwoPower 1 "Scaled by a power of two.";
        floatSqrt 0 "Square root; NaN below 0.";
        floatSin 0 "Sine, radians.";
        floatCos 0 "Cosine, radians.";
        floatTan 0 "Tangent, radians.";
        floatArcSin 0 "Arc sine.";
        floatArcCos 0 "Arc cosine.";
        floatArcTan 0 "Arc tangent.";
        floatArcTan2 1 "Arc tangent of receiver over argument, with quadrant.";
        floatLn 0 "Natural logarithm.";
        floatLog10 0 "Decimal logarithm.";
        floatExp 0 "e to the receiver.";
        floatRaisedTo 1 "Receiver to the power of a Float.";
        floatFloor 0 "Largest integer not above; declines for infinities and NaN.";
        floatCeiling 0 "Least integer not below; declines for infinities and NaN.";
        floatRounded 0 "Nearest integer, halves away from zero; declines for infinities and NaN.";
        floatBits 0 "The 64 bits as a non-negative Integer.";
        floatFromBits 1 "Class side: the Float of 64 bits.";
        floatShortest 0 "Array {digits as ByteString. decimal exponent}: value = 0.digits × 10^exponent, shortest that reads back; declines for infinities and NaN.";
        floatReadDecimal 1 "Class side: the nearest Float of a ByteString `digits[.digits][e[-]digits]`; declines if malformed.";
    }
    object {
        identityHash 0 "The identity hash, given on first asking.";
        objectClass 0 "The class.";
        instVarAt 1 "Slot by index, named slots first; declines out of range.";
        instVarAtPut 2 "Stores it; declines out of range or immutable.";
        basicAt 1 "Indexable slot: an object, an integer (raw) or a Character (strings); declines out of range.";
        basicAtPut 2 "Stores it; declines out of range, wrong class or immutable (#immutable).";
        basicSize 0 "Number of indexable slots.";
        shallowCopy 0 "A copy with the same slots.";
        objectIsImmutable 0 "Whether stores are refused.";
        objectSetImmutable 1 "Sets it; answers the previous value.";
        objectIsPinned 0 "Whether it never moves.";
        objectPin 0 "Makes it never move again; answers the receiver.";
        becomeForward 1 "Receiver and argument are Arrays of equal size: references to each element of the one become references to the other's.";
        become 1 "Arrays of equal size: identities are exchanged.";
        changeClassTo 1 "Receiver becomes an instance of the argument, a class of the same layout; declines else.";
        perform 1 "Sends a selector without arguments; declines if the arity is wrong.";
        performWith 2 "Sends with one argument.";
        performWithWith 3 "Sends with two.";
        performWithWithWith 4 "Sends with three.";
        performWithArguments 2 "Sends with an Array of arguments.";
        performInSuperclass 3 "Selector, arguments, class: the lookup starts at the class.";
        executeMethod 2 "Argument Array, CompiledMethod: runs the method on the receiver after verifying it.";
        pointersTo 0 "Array of all objects that refer to the receiver.";
    }
    behavior {
        basicNew 0 "A new instance; declines for indexable classes only when memory is short (#memory).";
        basicNewSized 1 "A new instance with so many indexable slots; declines if negative or too large.";
        allInstances 0 "Array of all instances, in address order.";
        classRegister 0 "Gives a class its index, if it has none; answers it.";
        classFlush 0 "Forgets every cached lookup that involves the class or its subclasses.";
        flushSelector 1 "Forgets every cached lookup of a selector.";
        methodVerify 0 "nil if a CompiledCode may run, else a String that says what is wrong.";
        classAtIndex 1 "The class of an index, or nil.";
    }
    string {
        replaceFromToWithStartingAt 4 "start, stop, source, sourceStart: copies elements between objects of the same unit or ByteString to WideString; declines out of range.";
        stringCompare 1 "-1, 0 or 1 by code points.";
        stringEqual 1 "Whether two strings or symbols have the same code points.";
        stringHash 0 "FNV-1a over the code points, 32 bits.";
        stringIndexOf 2 "Character, start: the index of a Character, or 0.";
        stringFind 2 "String, start: the index of a substring, or 0.";
        symbolIntern 0 "The Symbol of a String.";
        symbolLookup 0 "The Symbol if there is one, else nil.";
        symbolArity 0 "How many arguments a selector takes.";
        utf8Encode 0 "The ByteArray of a string.";
        utf8Decode 0 "The String of a ByteArray; declines with the index (#malformed) if it is not UTF-8.";
        byteArrayCrc32 0 "CRC-32 of a ByteArray.";
        characterValue 0 "The scalar value of a Character.";
        characterClassify 0 "Bits: 1 letter, 2 digit, 4 upper case, 8 lower case, 16 whitespace, 32 alphabetic in Unicode's sense.";
        characterToUpper 0 "The simple upper case.";
        characterToLower 0 "The simple lower case.";
    }
    block {
        blockValue 0 "Evaluates a closure; declines (#arguments) if it takes another number.";
        blockValue1 1 "With one argument.";
        blockValue2 2 "With two.";
        blockValue3 3 "With three.";
        blockValue4 4 "With four.";
        blockValueWithArguments 1 "With an Array of them.";
        blockNumArgs 0 "How many arguments a closure takes.";
    }
    context {
        contextSender 0 "The Context of the calling frame, or nil.";
        contextCode 0 "The CompiledCode.";
        contextReceiver 0 "The receiver.";
        contextClosure 0 "The closure that runs in it, or nil.";
        contextHome 0 "The Context of the home method, or nil if it is gone.";
        contextPc 0 "Index (1-based) of the next byte to run, or nil if it is gone.";
        contextIsDead 0 "Whether its frame is gone.";
        contextTempCount 0 "How many arguments and temporaries.";
        contextTempAt 1 "Argument or temporary by index.";
        contextTempAtPut 2 "Stores it.";
        contextStackAt 1 "Operand by index from the bottom.";
        contextStackSize 0 "Operands on the stack now.";
        contextNextHandler 0 "The nearest Context from the receiver's sender on that is marked as a handler, or nil.";
        contextNextUnwind 1 "The nearest Context from the receiver's sender on, before the argument (nil: to the end), that is marked for unwinding, or nil.";
        contextHasSender 1 "Whether the argument is among the senders.";
        contextResumeWith 1 "Drops every frame above the receiver's and goes on in it as if its callee had returned the argument. Runs no unwinding. Declines if dead or in another running process.";
        contextReturnWith 1 "Drops the receiver's frame and all above, and goes on in its sender as if it had returned the argument. Runs no unwinding.";
        contextRestart 0 "Drops every frame above the receiver's and starts its code anew.";
        contextPushCall 1 "On a suspended process: makes the argument (a closure without arguments) run on top of the receiver's frame, its value dropped.";
        contextStep 0 "On a suspended process: runs one bytecode of the receiver, the top frame.";
    }
    process {
        processNew 1 "Class side: a suspended process that will run a closure.";
        processResume 0 "Makes it ready; the active one goes on unless its priority is lower.";
        processSuspend 0 "Takes it off its list; answers the list. Of the active process: goes on with another.";
        processTopContext 0 "The top Context of a process that does not run.";
        processTerminate 0 "Drops the frames of a process, without unwinding; of the active one: goes on with another.";
        processYield 0 "Lets others of the same priority run.";
        processSetPriority 1 "1 to 100.";
        semaphoreSignal 0 "Signals; a waiting process becomes ready.";
        semaphoreWait 0 "Waits.";
        semaphoreSignalAtNs 2 "Semaphore, monotonic nanoseconds: signals it once then; nil cancels.";
        processPoll 0 "Looks for interrupts and other processes now.";
        activeProcess 0 "The process that runs.";
    }
    system {
        clockMonotonicNs 0 "Nanoseconds of this session.";
        clockWallNs 0 "Nanoseconds since 1970, UTC.";
        clockUtcOffset 0 "Local offset from UTC now, in seconds.";
        clockThreadCpuNs 0 "Processor time in nanoseconds.";
        entropy 1 "ByteArray of so many unpredictable bytes.";
        serviceCall 5 "Service name (Symbol), operation, handle (ByteArray of 16 or nil), bytes (ByteArray), semaphore index or nil: {handle or nil. bytes}; declines with the refusal's code.";
        snapshot 0 "Makes all that was done so far durable; answers #saved, or #resumed after a reopening; declines without a store.";
        storeCall 2 "Operation (Symbol), argument Array: names, branches, restores, deletes moments; history, check and statistics of the file.";
        journalAppend 3 "Draft serial, kind, bytes: journals an edit.";
        collectYoung 0 "Scavenges.";
        collectFull 0 "Marks and sweeps to the end; answers free bytes.";
        statistics 0 "Array of {name. value} pairs: the machine's counters.";
        exitSession 1 "Ends the session with a status.";
        knownObject 1 "A known object by name.";
        setKnownObject 2 "Stores it.";
        machineTable 1 "A table of the machine by name (#primitives, #bytecodes, #knownClasses, #header): Array of Arrays.";
        debugPrint 1 "Writes a string to the machine's own log.";
        quotas 1 "Array {bytecodes or nil. bytes or nil}: limits of the calling process's session.";
        ephemeronsFired 0 "Takes the ephemerons that were fired: Array.";
        sessionProcesses 1 "The processes that go on by themselves for a session, but for the caller and the one whose end the machine waits for: Array.";
        refusalText 0 "What the last refusal of a service or the store said for the user, or nil.";
        runCount 1 "How often a method ran since counting began; declines while runs are not counted.";
        runCounts 1 "The same of each method of an Array: Array of integers.";
        decodedMethods 0 "The CompiledMethods and CompiledBlocks that ran since the opening, in the order in which they first did, without those that were forgotten since: Array.";
        countRuns 1 "Begins (true) or ends (false) the counting of runs; answers whether they were counted.";
    }
}
