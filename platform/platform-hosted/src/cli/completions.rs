//! Completions for bash, zsh and fish, from the table of commands.
//!
//! What a word may be follows from what the usage line calls it: [`Kind::of`]. Moments are asked of
//! `warm history`, whose lines begin with their numbers.
//!
//! Invariants
//! - S1 A script needs nothing but its shell, `warm` and awk.
//! - S2 Texts of the table are quoted as the shell wants them.

use super::exit::{Exit, Failure};
use super::table::{COMMANDS, CommandRow};
use std::fmt::Write as _;

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU's.
    Bash,
    /// Z.
    Zsh,
    /// The friendly one.
    Fish,
}

impl Shell {
    /// The shell of a name, which may be a path.
    pub fn named(word: &str) -> Result<Shell, Failure> {
        match word.rsplit('/').next() {
            Some("bash") => Ok(Shell::Bash),
            Some("zsh") => Ok(Shell::Zsh),
            Some("fish") => Ok(Shell::Fish),
            _ => {
                let near = super::near::nearest(word, ["bash", "zsh", "fish"].into_iter());
                Err(Failure::new(Exit::Usage, format!("no completions for {word}{near}; there are bash, zsh and fish")))
            }
        }
    }

    /// The script that the shell reads.
    pub fn script(self) -> String {
        match self {
            Shell::Bash => bash(),
            Shell::Zsh => zsh(),
            Shell::Fish => fish(),
        }
    }
}

/// What a word of a command line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    World,
    Path,
    Moment,
    Command,
    Shell,
    /// Whatever the user makes up.
    Free,
}

impl Kind {
    /// By what the usage line calls it.
    fn of(word: &str) -> Kind {
        match word.trim_matches(['[', ']', '…']) {
            "FILE" => Kind::World,
            "SCRIPT" | "PATH" | "ARG" => Kind::Path,
            "MOMENT" => Kind::Moment,
            "COMMAND" => Kind::Command,
            "SHELL" => Kind::Shell,
            _ => Kind::Free,
        }
    }

    /// The word that the scripts call it by.
    fn word(self) -> &'static str {
        match self {
            Kind::World => "world",
            Kind::Path => "path",
            Kind::Moment => "moment",
            Kind::Command => "command",
            Kind::Shell => "shell",
            Kind::Free => "free",
        }
    }
}

/// The kinds of a command's words, in order; the last one goes on if more may follow.
fn kinds(row: &CommandRow) -> String {
    let mut kinds: Vec<&str> = row.arguments.split_whitespace().map(|word| Kind::of(word).word()).collect();
    if row.arguments.contains('…') {
        kinds.push("more");
    }
    kinds.join(" ")
}

fn names() -> String {
    COMMANDS.iter().map(|row| row.name).collect::<Vec<_>>().join(" ")
}

/// A text in single quotes, for bash and zsh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The cases of a command's name that say its options and the kinds of its words.
fn cases(indent: &str) -> String {
    let mut cases = String::new();
    for row in COMMANDS {
        let mut options: Vec<&str> = row.options.iter().map(|option| option.name).collect();
        options.push("--help");
        let valued = row.options.iter().filter_map(|option| {
            option.value.map(|value| format!("{}={}", option.name, Kind::of(value).word()))
        });
        let valued = valued.collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            cases,
            "{indent}{}) options='{}' valued='{valued}' kinds='{}' ;;",
            row.name,
            options.join(" "),
            kinds(row)
        );
    }
    cases
}

/// The part that bash and zsh share: what the word at the cursor is, from the words before it.
const WALK: &str = r#"  kind='' file='' at=0
  for word in "${before[@]}"; do
    if [ -n "$kind" ]; then kind=''; continue; fi
    case "$word" in
      --*=*) ;;
      --*) for pair in ${=valued}; do
          if [ "${pair%%=*}" = "$word" ]; then kind="${pair#*=}"; fi
        done ;;
      *) if [ "$at" -eq 0 ]; then file="$word"; fi; at=$((at + 1)) ;;
    esac
  done
  if [ -z "$kind" ]; then
    kind=none last=none
    for word in ${=kinds}; do
      if [ "$word" = more ]; then
        if [ "$kind" = none ]; then kind="$last"; fi
        break
      fi
      last="$word"
      if [ "$at" -eq 0 ]; then kind="$word"; break; fi
      at=$((at - 1))
    done
  fi
"#;

fn bash() -> String {
    let mut script = String::from("# bash completion for warm; made by `warm completions bash`\n_warm() {\n");
    script.push_str("  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n");
    script.push_str("  local options valued kinds kind file at word pair last before moments\n");
    script.push_str("  COMPREPLY=()\n");
    let _ = writeln!(
        script,
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    if [[ $current == -* ]]; then\n      COMPREPLY=($(compgen -W '--help --version' -- \"$current\"))\n    else\n      COMPREPLY=($(compgen -W '{}' -- \"$current\"))\n      _warm_files \"$current\" world\n    fi\n    return\n  fi",
        names()
    );
    let _ = writeln!(script, "  case \"$command\" in\n{}    *) _warm_files \"$current\" path; return ;;\n  esac", cases("    "));
    script.push_str("  before=(\"${COMP_WORDS[@]:2:COMP_CWORD-2}\")\n");
    script.push_str(&WALK.replace("${=", "${"));
    script.push_str(
        r#"  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  case "$kind" in
    world|path) _warm_files "$current" "$kind" ;;
"#,
    );
    let _ = writeln!(script, "    command) COMPREPLY=($(compgen -W '{}' -- \"$current\")) ;;", names());
    script.push_str(
        r#"    shell) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current")) ;;
    moment)
      moments=$("${COMP_WORDS[0]}" history "${file//[\\\'\"]/}" 2>/dev/null | awk '{ print $1 }')
      COMPREPLY=($(compgen -W "$moments" -- "$current")) ;;
  esac
}
_warm_files() {
  local found
  compopt -o filenames 2>/dev/null
  while IFS= read -r found; do
    if [ "$2" = path ] || [ -d "$found" ] || [[ $found == *.world ]]; then COMPREPLY+=("$found"); fi
  done < <(compgen -f -- "$1")
}
complete -F _warm warm
"#,
    );
    script
}

fn zsh() -> String {
    let mut script = String::from("#compdef warm\n# zsh completion for warm; made by `warm completions zsh`\n_warm() {\n");
    script.push_str("  local current=${words[CURRENT]} command=${words[2]} program=${words[1]}\n");
    script.push_str("  local options valued kinds kind file at word pair last\n  local -a before commands shown moments\n");
    script.push_str("  commands=(\n");
    for row in COMMANDS {
        let _ = writeln!(script, "    {}", quoted(&format!("{}:{}", row.name, row.summary.replace(':', "\\:"))));
    }
    script.push_str("  )\n");
    script.push_str(
        r#"  if (( CURRENT == 2 )); then
    if [[ $current == -* ]]; then compadd -- --help --version; return; fi
    _describe -t commands command commands
    _files -g '*.world(-.)'
    return
  fi
"#,
    );
    let _ = writeln!(script, "  case \"$command\" in\n{}    *) _files; return ;;\n  esac", cases("    "));
    script.push_str("  before=(\"${(@)words[3,CURRENT-1]}\")\n");
    script.push_str(WALK);
    script.push_str(
        r#"  if [[ $current == -* ]]; then compadd -- ${=options}; return; fi
  case "$kind" in
    world) _files -g '*.world(-.)' ;;
    path) _files ;;
    command) _describe -t commands command commands ;;
    shell) compadd -- bash zsh fish ;;
    moment)
      moments=("${(@f)$("$program" history "${(Q)file}" 2>/dev/null | awk '{ number = $1; sub(/^ *[0-9]+ */, ""); gsub(/:/, "\\:"); print number ":" $0 }')}")
      _describe -t moments moment moments ;;
  esac
}
if [ "$funcstack[1]" = _warm ]; then _warm "$@"; else compdef _warm warm; fi
"#,
    );
    script
}

/// A text in single quotes, for fish.
fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn fish() -> String {
    let mut script = String::from("# fish completion for warm; made by `warm completions fish`\n");
    script.push_str(
        r#"function __warm_moments
    set -l words (commandline -opc)
    set -l program $words[1]
    for word in $words[3..-1]
        if not string match -q -- '-*' $word
            $program history $word 2>/dev/null | string replace -r '^ *(\d+) +' '$1\t'
            return
        end
    end
end
function __warm_worlds
    __fish_complete_suffix .world
end
# Whether the words before the cursor are those of a command, and of its arguments so many (or, with a
# plus, more) were given.
function __warm_at
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = $argv[1]; or return 1
    set -l given 0
    set -l skip 0
    for word in $words[3..-1]
        if test $skip -eq 1
            set skip 0
        else if contains -- $word $argv[3..-1]
            set skip 1
        else if not string match -q -- '--*' $word
            set given (math $given + 1)
        end
    end
    if string match -q -- '*+' $argv[2]
        test $given -ge (string replace '+' '' -- $argv[2])
    else
        test $given -eq $argv[2]
    end
end
complete -c warm -f
complete -c warm -n '__fish_is_nth_token 1' -l help -d 'Explain the commands'
complete -c warm -n '__fish_is_nth_token 1' -l version -d 'Print the version'
complete -c warm -n '__fish_is_nth_token 1' -k -a '(__warm_worlds)'
"#,
    );
    for row in COMMANDS {
        let summary = fish_quoted(row.summary.trim_end_matches('.'));
        let _ = writeln!(script, "complete -c warm -n '__fish_is_nth_token 1' -a {} -d {summary}", row.name);
        let _ = writeln!(script, "complete -c warm -n '__fish_seen_subcommand_from {}' -l help -d 'Explain it'", row.name);
        for option in row.options {
            let takes = match option.value.map(Kind::of) {
                None => "",
                Some(Kind::Path | Kind::World) => " -r -F",
                Some(_) => " -x",
            };
            let name = option.name.trim_start_matches('-');
            let about = fish_quoted(option.summary);
            let _ = writeln!(script, "complete -c warm -n '__fish_seen_subcommand_from {}' -l {name}{takes} -d {about}", row.name);
        }
        fish_words(&mut script, row);
    }
    script
}

fn fish_words(script: &mut String, row: &CommandRow) {
    let valued: String = row.options.iter().filter(|option| option.value.is_some()).map(|option| format!(" {}", option.name)).collect();
    for (nth, word) in row.arguments.split_whitespace().enumerate() {
        let offer = match Kind::of(word) {
            Kind::World => "-k -a '(__warm_worlds)'".to_owned(),
            Kind::Path => "-F".to_owned(),
            Kind::Moment => "-k -a '(__warm_moments)'".to_owned(),
            Kind::Command => format!("-a '{}'", names()),
            Kind::Shell => "-a 'bash zsh fish'".to_owned(),
            Kind::Free => continue,
        };
        let plus = if word.contains('…') { "+" } else { "" };
        let _ = writeln!(script, "complete -c warm -n '__warm_at {} {nth}{plus}{valued}' {offer}", row.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_the_kind_that_the_usage_line_says() {
        for (word, kind) in [
            ("FILE", Kind::World), ("[FILE]", Kind::World), ("PATH…", Kind::Path), ("[ARG…]", Kind::Path),
            ("[MOMENT]", Kind::Moment), ("NAME", Kind::Free), ("EXPR", Kind::Free), ("N", Kind::Free),
        ] {
            assert_eq!(Kind::of(word), kind, "{word}");
        }
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(fish_quoted("it's \\"), "'it\\'s \\\\'");
    }

    #[test]
    fn every_script_names_every_command_and_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = shell.script();
            for row in COMMANDS {
                assert!(script.contains(row.name));
                let all = row.options.iter().all(|option| script.contains(option.name.trim_start_matches('-')));
                assert!(all, "{shell:?} {}", row.name);
            }
        }
        assert_eq!(Shell::named("/usr/bin/zsh").unwrap(), Shell::Zsh);
        let failure = Shell::named("fihs").unwrap_err();
        assert_eq!(failure.message, "no completions for fihs; did you mean fish?; there are bash, zsh and fish");
    }
}
