#include "cli/admin_words.hpp"

#include <algorithm>

namespace moegate::cli {
namespace {

constexpr std::string_view kCommonOptions = "config data";
constexpr std::string_view kCommonFlags = "json help";

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool holds(std::string_view list, std::string_view name) {
  const auto parts = split(list);
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

const AdminVerb* find_verb(std::string_view noun, std::string_view verb) {
  for (const AdminVerb& candidate : admin_verbs()) {
    if (candidate.noun == noun && candidate.verb == verb) return &candidate;
  }
  return nullptr;
}

}  // namespace

const std::vector<AdminVerb>& admin_verbs() {
  static const std::vector<AdminVerb> verbs = {
      {"orgs", "create", "org", "org", "", "make an organisation"},
      {"orgs", "list", "", "", "", "every organisation and its limits"},
      {"orgs", "limits", "org", "org requests-per-minute concurrent-requests", "", "set limits (0 = none)"},
      {"projects", "create", "", "org project", "", "make a project of an organisation"},
      {"projects", "list", "", "org", "", "projects, of one organisation or all"},
      {"projects", "limits", "", "org project requests-per-minute concurrent-requests", "", "set limits (0 = none)"},
      {"keys", "create", "", "org project name models expires-at requests-per-minute concurrent-requests", "create",
       "make a key and print it once (--models a,b; --expires-at UTC seconds; --create makes org and project too)"},
      {"keys", "list", "", "org project", "", "keys and when they were last used"},
      {"keys", "revoke", "id", "", "", "end a key at once"},
      {"keys", "limits", "id", "requests-per-minute concurrent-requests", "", "set limits (0 = none)"},
      {"admin", "create", "", "role name expires-at", "",
       "make an admin key and print it once (--role metrics, auditor, operator or admin)"},
      {"admin", "list", "", "", "", "admin keys"},
      {"admin", "revoke", "id", "", "", "end an admin key at once"},
      {"admin", "login", "", "", "", "print a one-time address of the page (a server must run)"},
      {"usage", "report", "", "org project key model day from to group-by tz", "",
       "sums (--group-by org,project,key,model,api,outcome,day,month; --tz Europe/Berlin or +05:30)"},
      {"usage", "records", "", "org project key model request-id after-seq limit", "", "single records"},
      {"usage", "export", "", "org project key model format output", "",
       "every record (--format jsonl or csv; --output FILE, else to the terminal)"},
      {"usage", "reconcile", "", "", "", "compare ledger, report and engine counters"},
      {"usage", "verify", "", "", "", "check chains, signatures and references of every row"},
  };
  return verbs;
}

moe::Result<AdminWords> parse_admin_words(const std::vector<std::string>& words) {
  AdminWords parsed;
  parsed.noun = words.empty() ? "" : words[0];
  if (words.size() < 2 || words[1] == "--help" || words[1] == "-h") {
    parsed.options["help"] = "true";
    return parsed;
  }
  parsed.verb = words[1];
  const AdminVerb* verb = find_verb(parsed.noun, parsed.verb);
  if (verb == nullptr) return moe::invalid("moegate " + parsed.noun + " has no command " + parsed.verb);
  for (std::size_t i = 2; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "-c") word = "--config";
    if (word == "-h") word = "--help";
    if (!word.starts_with("--")) {
      parsed.positional.push_back(word);
      continue;
    }
    word.erase(0, 2);
    const std::size_t equal = word.find('=');
    const std::string name = word.substr(0, equal);
    if (holds(verb->flags, name) || holds(kCommonFlags, name)) {
      if (equal != std::string::npos) return moe::invalid("--" + name + " takes no value");
      parsed.options[name] = "true";
    } else if (holds(verb->options, name) || holds(kCommonOptions, name)) {
      if (parsed.has(name)) return moe::invalid("--" + name + " is given twice");
      if (equal == std::string::npos && i + 1 >= words.size()) return moe::invalid("--" + name + " needs a value");
      parsed.options[name] = equal == std::string::npos ? words[++i] : word.substr(equal + 1);
    } else {
      return moe::invalid("moegate " + parsed.noun + " " + parsed.verb + " has no option --" + name);
    }
  }
  const auto names = split(verb->arguments);
  if (parsed.positional.size() > names.size()) {
    return moe::invalid("moegate " + parsed.noun + " " + parsed.verb + ": unexpected word " +
                        parsed.positional[names.size()]);
  }
  for (std::size_t i = 0; i < parsed.positional.size(); ++i)
    parsed.options[std::string(names[i])] = parsed.positional[i];
  return parsed;
}

std::string admin_help(std::string_view noun) {
  std::string text = "usage: moegate " + std::string(noun) + " COMMAND (-c FILE | --data DIR) [--json] ...\n";
  for (const AdminVerb& verb : admin_verbs()) {
    if (verb.noun != noun) continue;
    text += "\n  " + std::string(verb.verb);
    for (const std::string_view name : split(verb.arguments)) text += " " + std::string(name);
    text += "\n      " + std::string(verb.about) + "\n";
    const auto options = split(verb.options);
    const auto flags = split(verb.flags);
    if (options.empty() && flags.empty()) continue;
    text += "     ";
    for (const std::string_view name : options) text += " --" + std::string(name) + " X";
    for (const std::string_view name : flags) text += " --" + std::string(name);
    text += "\n";
  }
  return text;
}

}  // namespace moegate::cli
