//! Configuration files: TOML in, the interface's documents out, everything wrong named with its line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stead_api::{Config, GroupDoc, GroupSetDoc, ResourceDoc, TypeDoc};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A configuration and where everything in it stands.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) config: Config,
    path: PathBuf,
    text: String,
    /// From the places the node names to the bytes of the file.
    places: BTreeMap<String, Range<usize>>,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// `cluster.toml:12:5`
    pub(crate) place: String,
    pub(crate) text: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// The folder of the file, in texts of private properties and paths of resource DLLs.
const FOLDER: &str = "${CONFIG_DIR}";

/// Larger files are a mistake.
const LARGEST: u64 = 16 << 20;

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

struct Reader {
    folder: String,
    problems: Vec<(Range<usize>, String)>,
    places: BTreeMap<String, Range<usize>>,
}

/// Line and column, from 1, of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Reads a configuration file.
///
/// # Errors
/// Everything that is wrong with it by itself.
pub(crate) fn read(path: &Path) -> Result<File, Vec<Wrong>> {
    let whole = |text: String| vec![Wrong { place: path.display().to_string(), text }];
    let length = std::fs::metadata(path).map_err(|error| whole(error.to_string()))?;
    if !length.is_file() {
        return Err(whole("it is no file".to_owned()));
    }
    if length.len() > LARGEST {
        return Err(whole(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| whole(error.to_string()))?;
    let folder = std::path::absolute(path).map_err(|error| whole(error.to_string()))?;
    let folder = folder.parent().unwrap_or(Path::new("/")).display().to_string();
    parse(path, text, folder)
}

/// Reads a configuration from text, as if it stood in `cluster.toml`.
///
/// # Errors
/// Everything that is wrong with it by itself, each as `cluster.toml:LINE:COLUMN: what`.
pub fn read_config(text: &str) -> Result<Config, Vec<String>> {
    parse(Path::new("cluster.toml"), text.to_owned(), "/".to_owned())
        .map(|file| file.config)
        .map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
}

/// Reads a configuration file, and says everything that is wrong with it by itself, with its place.
///
/// # Errors
/// A line each.
pub fn check_file(path: &Path) -> Result<(), Vec<String>> {
    read(path).map(drop).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
}

fn parse(path: &Path, text: String, folder: String) -> Result<File, Vec<Wrong>> {
    let located = |at: usize, problem: String| {
        let (line, column) = position(&text, at);
        Wrong { place: format!("{}:{line}:{column}", path.display()), text: problem }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        let wrong = |error: &toml::de::Error| {
            located(error.span().map_or(0, |span| span.start), error.message().to_owned())
        };
        return Err(errors.iter().map(wrong).collect());
    }
    let mut reader = Reader { folder, problems: Vec::new(), places: BTreeMap::new() };
    let config = reader.config(table.get_ref());
    if reader.problems.is_empty() {
        let places = reader.places;
        return Ok(File { config, path: path.to_owned(), text, places });
    }
    reader.problems.sort_by_key(|(span, _)| span.start);
    Err(reader.problems.into_iter().map(|(span, problem)| located(span.start, problem)).collect())
}

impl File {
    /// Where the file says what the node calls `place`; the file alone if nowhere.
    pub(crate) fn locate(&self, place: &str) -> String {
        let mut place = place;
        loop {
            if let Some(span) = self.places.get(&place.to_ascii_lowercase()) {
                let (line, column) = position(&self.text, span.start);
                return format!("{}:{line}:{column}", self.path.display());
            }
            match place.rsplit_once('/') {
                Some((parent, _)) => place = parent,
                None => return self.path.display().to_string(),
            }
        }
    }
}

impl Reader {
    fn wrong(&mut self, span: Range<usize>, text: String) {
        self.problems.push((span, text));
    }

    fn place(&mut self, place: &str, span: Range<usize>) {
        // Of two the later is the one too many.
        self.places.insert(place.to_ascii_lowercase(), span);
    }

    fn expected(&mut self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) {
        let text = format!("{key} must be {expected}, not {}", value.get_ref().type_str());
        self.wrong(value.span(), text);
    }

    fn unknown(&mut self, key: &Key<'_>, place: &str, known: &[&str]) {
        let text = format!("unknown key {:?} in {place}; there are: {}", key.get_ref(), known.join(", "));
        self.wrong(key.span(), text);
    }

    fn text(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref().as_str() {
            Some(text) => text.to_owned(),
            None => {
                self.expected(value, key, "a text");
                String::new()
            }
        }
    }

    fn number(&mut self, key: &str, value: &Spanned<DeValue<'_>>, most: u64) -> u64 {
        let number = value.get_ref().as_integer().map(|number| {
            let digits = number.as_str().replace('_', "");
            u64::from_str_radix(&digits, number.radix()).ok().filter(|number| *number <= most)
        });
        match number {
            Some(Some(number)) => number,
            Some(None) => {
                self.wrong(value.span(), format!("{key} must be a number from 0 to {most}"));
                0
            }
            None => {
                self.expected(value, key, &format!("a number from 0 to {most}"));
                0
            }
        }
    }

    fn texts(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().map(|item| self.text(key, item)).collect(),
            None => {
                self.expected(value, key, "a list of texts");
                Vec::new()
            }
        }
    }

    fn numbers(&mut self, key: &str, value: &Spanned<DeValue<'_>>, place: &str) -> BTreeMap<String, u64> {
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, key, "a table, such as { RestartDelay = 500 }");
            return BTreeMap::new();
        };
        let mut numbers = BTreeMap::new();
        for (name, value) in table {
            self.place(&format!("{place}/{key}/{}", name.get_ref()), name.span());
            let number = match value.get_ref().as_bool() {
                Some(yes) => u64::from(yes),
                None => self.number(name.get_ref(), value, u32::MAX.into()),
            };
            numbers.insert(name.get_ref().to_string(), number);
        }
        numbers
    }

    fn flag(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.expected(value, key, "true or false");
            false
        })
    }

    /// A table of an array of tables, and the name in it. Without one the problem is told.
    fn named<'a>(
        &mut self,
        item: &'a Spanned<DeValue<'a>>,
        what: &str,
    ) -> Option<(&'a DeTable<'a>, String, Range<usize>)> {
        let Some(table) = item.get_ref().as_table() else {
            self.expected(item, what, &format!("a table: write [[{what}]]"));
            return None;
        };
        match table.iter().find(|(key, _)| key.get_ref() == "name") {
            Some((_, name)) => {
                let text = self.text("name", name);
                Some((table, text, name.span()))
            }
            None => {
                self.wrong(item.span(), format!("[[{what}]] needs a name"));
                None
            }
        }
    }

    fn tables<'a>(&mut self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Vec<&'a Spanned<DeValue<'a>>> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => {
                self.expected(value, key, &format!("a list of tables: write [[{key}]]"));
                Vec::new()
            }
        }
    }

    fn config(&mut self, table: &DeTable<'_>) -> Config {
        let mut config = Config::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "type" => {
                    for item in self.tables("type", value) {
                        config.types.extend(self.resource_type(item));
                    }
                }
                "group" => {
                    for item in self.tables("group", value) {
                        config.groups.extend(self.group(item));
                    }
                }
                "group_set" => {
                    for item in self.tables("group_set", value) {
                        config.group_sets.extend(self.group_set(item));
                    }
                }
                "cluster" => config.cluster = self.settings(value),
                // Of what the nodes are made is for `stead lab`, which checks it.
                "lab" => {}
                _ => self.unknown(key, "the file", &["cluster", "group", "group_set", "lab", "type"]),
            }
        }
        config
    }

    /// Settings of the cluster. Which there are is the node's to say.
    fn settings(&mut self, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, u64> {
        self.place("cluster", value.span());
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, "cluster", "a table: write [cluster]");
            return BTreeMap::new();
        };
        let mut settings = BTreeMap::new();
        for (name, value) in table {
            self.place(&format!("cluster/{}", name.get_ref()), name.span());
            let number = match value.get_ref().as_bool() {
                Some(yes) => u64::from(yes),
                None => self.number(name.get_ref(), value, u32::MAX.into()),
            };
            settings.insert(name.get_ref().to_string(), number);
        }
        settings
    }

    fn group_set(&mut self, item: &Spanned<DeValue<'_>>) -> Option<GroupSetDoc> {
        const KEYS: &[&str] = &[
            "name",
            "groups",
            "startup_setting",
            "startup_count",
            "startup_delay",
            "is_global",
            "depends_on_set",
        ];
        let (table, name, span) = self.named(item, "group_set")?;
        let place = format!("group_set/{name}");
        self.place(&place, span);
        let mut doc = GroupSetDoc { name, ..GroupSetDoc::default() };
        for (key, value) in table {
            self.place(&format!("{place}/{}", key.get_ref()), value.span());
            let mut number = |key: &str| u32::try_from(self.number(key, value, u32::MAX.into())).ok();
            match key.get_ref().as_ref() {
                "name" => {}
                "startup_count" => doc.startup_count = number("startup_count"),
                "startup_delay" => doc.startup_delay = number("startup_delay"),
                "groups" => doc.groups = self.texts("groups", value),
                "startup_setting" => doc.startup_setting = Some(self.text("startup_setting", value)),
                "depends_on_set" => doc.depends_on_set = Some(self.text("depends_on_set", value)),
                "is_global" => match value.get_ref().as_bool() {
                    Some(yes) => doc.is_global = yes,
                    None => self.expected(value, "is_global", "true or false"),
                },
                _ => self.unknown(key, "[[group_set]]", KEYS),
            }
        }
        Some(doc)
    }

    fn resource_type(&mut self, item: &Spanned<DeValue<'_>>) -> Option<TypeDoc> {
        let (table, name, span) = self.named(item, "type")?;
        let place = format!("type/{name}");
        self.place(&place, span.clone());
        let mut doc = TypeDoc {
            name,
            description: String::new(),
            dll: String::new(),
            common: BTreeMap::new(),
            fence_class: None,
            accept_no_watchdog: false,
        };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => {}
                "dll" => {
                    self.place(&format!("{place}/dll"), value.span());
                    let text = self.text("dll", value).replace(FOLDER, &self.folder);
                    // A path is the file's own, wherever the command was typed.
                    doc.dll = Path::new(&self.folder).join(text).display().to_string();
                }
                "common" => doc.common = self.numbers("common", value, &place),
                "description" => {
                    self.place(&format!("{place}/description"), value.span());
                    doc.description = self.text("description", value);
                }
                "fence_class" => {
                    self.place(&format!("{place}/fence_class"), value.span());
                    doc.fence_class = Some(self.text("fence_class", value));
                }
                "accept_no_watchdog" => {
                    self.place(&format!("{place}/accept_no_watchdog"), value.span());
                    doc.accept_no_watchdog = self.flag("accept_no_watchdog", value);
                }
                _ => self.unknown(
                    key,
                    "[[type]]",
                    &["name", "description", "dll", "common", "fence_class", "accept_no_watchdog"],
                ),
            }
        }
        if doc.dll.is_empty() {
            self.wrong(span, format!("[[type]] {:?} needs dll, the path of its resource DLL", doc.name));
        }
        Some(doc)
    }

    fn group(&mut self, item: &Spanned<DeValue<'_>>) -> Option<GroupDoc> {
        const KEYS: &[&str] = &[
            "name",
            "description",
            "persistent_state",
            "failover_threshold",
            "failover_period",
            "preferred_owners",
            "anti_affinity",
            "failback",
            "cold_start",
            "depends_on_groups",
            "depends_on_set",
            "priority",
            "resource",
        ];
        let (table, name, span) = self.named(item, "group")?;
        let place = format!("group/{name}");
        self.place(&place, span);
        let mut doc = GroupDoc {
            name,
            description: String::new(),
            persistent_state: None,
            failover_threshold: None,
            failover_period: None,
            preferred_owners: Vec::new(),
            anti_affinity: Vec::new(),
            failback: None,
            cold_start: None,
            depends_on_groups: Vec::new(),
            depends_on_set: None,
            priority: None,
            resources: Vec::new(),
        };
        let number = |reader: &mut Self, key: &str, value: &Spanned<DeValue<'_>>| {
            u32::try_from(reader.number(key, value, u32::MAX.into())).ok()
        };
        for (key, value) in table {
            self.place(&format!("{place}/{}", key.get_ref()), value.span());
            match key.get_ref().as_ref() {
                "name" => {}
                "description" => doc.description = self.text("description", value),
                "persistent_state" => doc.persistent_state = Some(self.text("persistent_state", value)),
                "failover_threshold" => doc.failover_threshold = number(self, "failover_threshold", value),
                "failover_period" => doc.failover_period = number(self, "failover_period", value),
                "preferred_owners" => doc.preferred_owners = self.texts("preferred_owners", value),
                "anti_affinity" => doc.anti_affinity = self.texts("anti_affinity", value),
                "failback" => doc.failback = Some(self.text("failback", value)),
                "cold_start" => doc.cold_start = Some(self.text("cold_start", value)),
                "depends_on_groups" => doc.depends_on_groups = self.texts("depends_on_groups", value),
                "depends_on_set" => doc.depends_on_set = Some(self.text("depends_on_set", value)),
                "priority" => doc.priority = number(self, "priority", value),
                "resource" => {
                    for item in self.tables("group.resource", value) {
                        doc.resources.extend(self.resource(item, &place));
                    }
                }
                _ => self.unknown(key, "[[group]]", KEYS),
            }
        }
        Some(doc)
    }

    fn resource(&mut self, item: &Spanned<DeValue<'_>>, group: &str) -> Option<ResourceDoc> {
        const KEYS: &[&str] = &[
            "name",
            "type",
            "description",
            "depends_on",
            "possible_owners",
            "persistent_state",
            "common",
            "properties",
        ];
        let (table, name, span) = self.named(item, "group.resource")?;
        let place = format!("{group}/resource/{name}");
        self.place(&place, span.clone());
        let mut doc = ResourceDoc {
            name,
            type_name: String::new(),
            description: String::new(),
            depends_on: String::new(),
            possible_owners: Vec::new(),
            persistent_state: None,
            common: BTreeMap::new(),
            properties: BTreeMap::new(),
        };
        for (key, value) in table {
            self.place(&format!("{place}/{}", key.get_ref()), value.span());
            match key.get_ref().as_ref() {
                "name" => {}
                "type" => doc.type_name = self.text("type", value),
                "description" => doc.description = self.text("description", value),
                "possible_owners" => doc.possible_owners = self.texts("possible_owners", value),
                "depends_on" => doc.depends_on = self.text("depends_on", value),
                "persistent_state" => doc.persistent_state = Some(self.text("persistent_state", value)),
                "common" => doc.common = self.numbers("common", value, &place),
                "properties" => doc.properties = self.properties(value, &place),
                _ => self.unknown(key, "[[group.resource]]", KEYS),
            }
        }
        if doc.type_name.is_empty() && !table.keys().any(|key| key.get_ref() == "type") {
            self.wrong(span, format!("[[group.resource]] {:?} needs a type", doc.name));
        }
        Some(doc)
    }

    fn properties(&mut self, value: &Spanned<DeValue<'_>>, place: &str) -> BTreeMap<String, Value> {
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, "properties", "a table, such as { CommandLine = \"sleep 60\" }");
            return BTreeMap::new();
        };
        let mut properties = BTreeMap::new();
        for (name, value) in table {
            self.place(&format!("{place}/properties/{}", name.get_ref()), value.span());
            if let Some(value) = self.property(name.get_ref(), value) {
                properties.insert(name.get_ref().to_string(), value);
            }
        }
        properties
    }

    fn property(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.replace(FOLDER, &self.folder).into()),
            DeValue::Boolean(yes) => Some((*yes).into()),
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                let signed = i64::from_str_radix(&digits, number.radix()).map(Value::from);
                let read = signed.or_else(|_| u64::from_str_radix(&digits, number.radix()).map(Value::from));
                if read.is_err() {
                    self.wrong(value.span(), format!("{name} is too large"));
                }
                read.ok()
            }
            DeValue::Array(array) => {
                let items: Vec<Value> = array.iter().filter_map(|item| self.property(name, item)).collect();
                Some(items.into())
            }
            DeValue::Table(table) => {
                let mut object = serde_json::Map::new();
                for (key, value) in table {
                    if let Some(value) = self.property(name, value) {
                        object.insert(key.get_ref().to_string(), value);
                    }
                }
                Some(Value::Object(object))
            }
            DeValue::Float(_) | DeValue::Datetime(_) => {
                self.expected(value, name, "a text, a whole number, true, false or a list of texts");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<File, Vec<Wrong>> {
        parse(Path::new("c.toml"), text.to_owned(), "/etc/stead".to_owned())
    }

    fn problems(text: &str) -> String {
        let lines: Vec<String> = parse_text(text).unwrap_err().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn a_whole_file_is_read() {
        let file = parse_text(
            r#"
[[type]]
name = "My Type"
dll = "my.so"

[[group]]
name = "web"
priority = 3000

[[group.resource]]
name = "db"
type = "My Type"
common = { RestartDelay = 0, SeparateMonitor = true }
properties = { Path = "${CONFIG_DIR}/x", Port = 0x50, On = true, Hosts = ["a", "b"], Key = { hex = "00" } }
"#,
        )
        .unwrap();
        assert_eq!(file.config.types[0].dll, "/etc/stead/my.so");
        let resource = &file.config.groups[0].resources[0];
        assert_eq!(resource.common["SeparateMonitor"], 1);
        assert_eq!(
            serde_json::to_string(&resource.properties).unwrap(),
            r#"{"Hosts":["a","b"],"Key":{"hex":"00"},"On":true,"Path":"/etc/stead/x","Port":80}"#
        );
        assert_eq!(file.locate("group/web/resource/DB/properties/port"), "c.toml:14:49");
        assert_eq!(file.locate("group/web/resource/db/depends_on"), "c.toml:11:8");
        assert_eq!(file.locate("group/web/priority"), "c.toml:8:12");
        assert_eq!(file.locate("nowhere"), "c.toml");
    }

    #[test]
    fn group_sets_and_settings_are_read() {
        let file = parse_text(
            r#"
[cluster]
QuarantineThreshold = 5
ClusterEnforcedAntiAffinity = true

[[group]]
name = "web"
depends_on_set = "databases"

[[group_set]]
name = "databases"
groups = ["db1", "db2"]
startup_setting = "Delay"
startup_count = 1
startup_delay = 20
is_global = true
depends_on_set = "networks"
"#,
        )
        .unwrap();
        assert_eq!(file.config.cluster["QuarantineThreshold"], 5);
        assert_eq!(file.config.cluster["ClusterEnforcedAntiAffinity"], 1);
        assert_eq!(file.config.groups[0].depends_on_set.as_deref(), Some("databases"));
        let set = &file.config.group_sets[0];
        assert_eq!((set.groups.len(), set.startup_setting.as_deref()), (2, Some("Delay")));
        assert_eq!((set.startup_count, set.startup_delay, set.is_global), (Some(1), Some(20), true));
        assert_eq!(set.depends_on_set.as_deref(), Some("networks"));
        assert_eq!(file.locate("cluster/quarantinethreshold"), "c.toml:3:1");
        assert_eq!(file.locate("group_set/databases/groups"), "c.toml:12:10");
        let found =
            problems("[cluster]\nX = \"y\"\n[[group_set]]\nname = \"s\"\nis_global = 1\nprovider = \"t\"");
        assert_eq!(
            found,
            "c.toml:2:5: X must be a number from 0 to 4294967295, not string\n\
             c.toml:5:13: is_global must be true or false, not integer\n\
             c.toml:6:1: unknown key \"provider\" in [[group_set]]; there are: name, groups, startup_setting, startup_count, \
             startup_delay, is_global, depends_on_set"
        );
    }

    #[test]
    fn every_problem_has_its_line() {
        let found = problems(
            r#"
colour = "red"
[[group]]
nmae = "web"
[[group]]
name = "web"
priority = "high"
failover_threshold = -1
Preferred_owners = []
[[group.resource]]
name = 7
type = "T"
[[group.resource]]
name = "db"
depend_on = "[a]"
common = 5
properties = { P = 1.5 }
"#,
        );
        let expected = "\
c.toml:2:1: unknown key \"colour\" in the file; there are: cluster, group, group_set, lab, type
c.toml:3:1: [[group]] needs a name
c.toml:7:12: priority must be a number from 0 to 4294967295, not string
c.toml:8:22: failover_threshold must be a number from 0 to 4294967295
c.toml:9:1: unknown key \"Preferred_owners\" in [[group]]; there are: name, description, persistent_state, failover_threshold, \
failover_period, preferred_owners, anti_affinity, failback, cold_start, depends_on_groups, depends_on_set, priority, \
resource
c.toml:11:8: name must be a text, not integer
c.toml:14:8: [[group.resource]] \"db\" needs a type
c.toml:15:1: unknown key \"depend_on\" in [[group.resource]]; there are: name, type, description, depends_on, possible_owners, persistent_state, \
common, properties
c.toml:16:10: common must be a table, such as { RestartDelay = 500 }, not integer
c.toml:17:20: P must be a text, a whole number, true, false or a list of texts, not float";
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_toml_is_told_with_all_its_lines() {
        let found = problems("[[group]]\nx = \nname = \"a\"\nname = \"b\"\n");
        assert!(found.lines().count() >= 2, "{found}");
        assert!(found.starts_with("c.toml:2:"), "{found}");
        for hostile in ["\u{0}", "[[group]]\n\u{feff}", "a = \"\\uD800\"", "[[[[[[[[", "group = [[[[]]]]"] {
            assert!(parse_text(hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err()[0].text.contains("it is no file"));
        assert!(read(&folder.path().join("absent.toml")).is_err());
        std::fs::write(folder.path().join("binary.toml"), [0xFF, 0xFE]).unwrap();
        assert!(read(&folder.path().join("binary.toml")).is_err());
    }
}
