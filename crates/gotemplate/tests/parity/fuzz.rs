//! A fuzz run against the original: templates of a grammar over the values of the golden files.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use fluxbot_gotemplate::{Functions, Type};

use crate::Case;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T>(&mut self, options: &'a [T]) -> &'a T {
        &options[self.roll(options.len())]
    }
}

const PATHS: &[&str] = &[
    ".a",
    ".b",
    ".c",
    ".t",
    ".n",
    ".e",
    ".l",
    ".m",
    ".s",
    ".i",
    ".ms",
    ".mm",
    ".im",
    ".u",
    ".id",
    ".ids",
    ".i8",
    ".u8",
    ".f32",
    ".nl",
    ".nm",
    ".by",
    ".uni",
    ".m.k",
    ".m.in.deep",
    ".u.Name",
    ".u.Tags",
    ".u.Extra",
    ".missing",
    ".m.zz.y",
    "$.a",
    ".",
];

const LITERALS: &[&str] = &[
    "1",
    "0",
    "-3",
    "2.5",
    "1e3",
    "0x1F",
    "'x'",
    "\"\"",
    "\"abc\"",
    "\"a b,c\"",
    "\"héé \\n\\\"q\"",
    "`raw`",
    "true",
    "false",
    "nil",
    "\"%v|%5d|%-6s|%q\"",
    "\"[a-c]+\"",
    "\"2006-01-02\"",
    "\"12\"",
    "\"{\\\"k\\\":[1,2]}\"",
    "5",
];

/// Functions whose answer depends on chance, or on the order of Go's maps, or that run long.
const LEFT_OUT: &[&str] = &[
    "ago",
    "bcrypt",
    "buildCustomCert",
    "decryptAES",
    "derivePassword",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "keys",
    "randInt",
    "shuffle",
    "values",
    "call",
    "slice",
    "repeat",
    "until",
    "untilStep",
    "seq",
    "indent",
    "nindent",
];

const BUILTINS: &[(&str, usize)] = &[
    ("print", 3),
    ("println", 2),
    ("printf", 3),
    ("len", 1),
    ("index", 2),
    ("not", 1),
    ("and", 3),
    ("or", 3),
    ("eq", 2),
    ("ne", 2),
    ("lt", 2),
    ("le", 2),
    ("gt", 2),
    ("ge", 2),
    ("html", 1),
    ("js", 1),
    ("urlquery", 1),
];

struct Generator {
    dice: Dice,
    functions: Functions,
    names: Vec<String>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let functions = Functions::sprig();
        let names = functions
            .names()
            .filter(|name| !LEFT_OUT.contains(name))
            .map(str::to_owned)
            .collect();
        Self {
            dice: Dice(seed),
            functions,
            names,
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.dice.roll(if depth > 2 { 7 } else { 10 }) {
            0..=3 => (*self.dice.pick(PATHS)).to_owned(),
            4..=6 => (*self.dice.pick(LITERALS)).to_owned(),
            _ => format!("({})", self.pipeline(depth + 1)),
        }
    }

    /// An argument that is likely of the type.
    fn argument(&mut self, kind: Option<&Type>, depth: usize) -> String {
        if self.dice.roll(6) == 0 {
            return self.operand(depth);
        }
        let options: &[&str] = match kind {
            Some(Type::String) => &[
                "\"abc\"",
                ".b",
                ".e",
                ".uni",
                ".u.Name",
                "\"a-b_C d1\"",
                "\",\"",
                "`^[a-z]+`",
            ],
            Some(Type::Int(_)) => &["1", "0", "-1", "3", "7", ".a"],
            Some(Type::Float(_)) => &["1", "0.5", ".c"],
            Some(Type::Bool) => &["true", "false", ".t"],
            Some(Type::Map(..)) => &[".m", "(dict)", "(dict \"a\" 1)", "(dict \"k\" .l)", ".u.Extra"],
            _ => return self.operand(depth),
        };
        (*self.dice.pick(options)).to_owned()
    }

    fn call(&mut self, depth: usize, is_piped: bool) -> String {
        if self.dice.roll(3) == 0 {
            let (name, count) = *self.dice.pick(BUILTINS);
            let mut text = name.to_owned();
            for _ in usize::from(is_piped)..count {
                let _ = write!(text, " {}", self.operand(depth + 1));
            }
            return text;
        }
        let index = self.dice.roll(self.names.len());
        let name = self.names[index].clone();
        let signature = self.functions.get(&name).unwrap().signature().clone();
        let extra = if signature.variadic.is_some() {
            self.dice.roll(3)
        } else {
            0
        };
        let mut text = name;
        for index in 0..(signature.parameters.len() + extra).saturating_sub(usize::from(is_piped)) {
            let kind = signature.parameters.get(index).or(signature.variadic.as_ref());
            let _ = write!(text, " {}", self.argument(kind, depth + 1));
        }
        text
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut text = if self.dice.roll(3) == 0 {
            self.operand(depth)
        } else {
            self.call(depth, false)
        };
        while depth < 4 && self.dice.roll(4) == 0 {
            let _ = write!(text, " | {}", self.call(depth, true));
        }
        text
    }

    fn template(&mut self, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..=self.dice.roll(3) {
            let pipe = self.pipeline(depth);
            let open = *self.dice.pick(&["{{", "{{", "{{", "{{- "]);
            let close = *self.dice.pick(&["}}", "}}", "}}", " -}}"]);
            let body = if depth < 3 {
                self.template(depth + 1)
            } else {
                "b".to_owned()
            };
            let _ = match self.dice.roll(12) {
                0 => write!(text, "{{{{if {pipe}}}}}{body}{{{{else}}}}e{{{{end}}}}"),
                1 => write!(text, "{{{{with {pipe}}}}}{body}{{{{else}}}}e{{{{end}}}}"),
                2 => write!(text, "{{{{range {pipe}}}}}{body};{{{{else}}}}e{{{{end}}}}"),
                3 => write!(
                    text,
                    "{{{{range $k, $v := {pipe}}}}}{{{{$k}}}}={{{{$v}}}};{{{{end}}}}"
                ),
                4 => write!(
                    text,
                    "{open}$x := {pipe}{close}{{{{$x}}}}{{{{printf \"%T %#v\" $x $x}}}}"
                ),
                5 => write!(text, " text\n {open}/* c */{close} "),
                _ => write!(text, "{open}{pipe}{close}"),
            };
        }
        text
    }
}

/// Runs against the original for `FLUXBOT_FUZZ_CASES` cases (10,000) from `FLUXBOT_FUZZ_SEED` on; `FLUXBOT_TEMPLATE_ORACLE`
/// names the program that `go build` makes of hack/oracle/template.
#[test]
#[ignore = "needs the original: see CONTRIBUTING.md"]
fn random_templates_give_what_they_give_in_go() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let oracle = std::env::var("FLUXBOT_TEMPLATE_ORACLE").expect("FLUXBOT_TEMPLATE_ORACLE");
    let count = number("FLUXBOT_FUZZ_CASES", 10_000);
    let data = include_str!("../golden/data.json");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let mut generator = Generator::new(number("FLUXBOT_FUZZ_SEED", 88_172_645_463_325_252) | 1);
    let mut original = Command::new(oracle)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = original.stdin.take().unwrap();
    let mut answers = BufReader::new(original.stdout.take().unwrap());
    let (mut different, mut failed) = (Vec::new(), 0);
    for _ in 0..count {
        let case = Case {
            template: generator.template(0),
            data: Some(data.clone()),
            ..Case::default()
        };
        writeln!(questions, "{}", serde_json::to_string(&case).unwrap()).unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let answered: Case = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {case:?}"));
        failed += u64::from(answered.error.is_some());
        let own = answered.answer();
        if own != answered.expected() {
            different.push(format!(
                "{}\n  want {:?}\n  got  {own:?}",
                answered.template,
                answered.expected()
            ));
        }
    }
    drop(questions);
    original.wait().unwrap();
    println!(
        "{count} cases, of which {failed} are errors; {} differ",
        different.len()
    );
    assert!(different.is_empty(), "{}", different.join("\n"));
}
