#include "cli/admin_commands.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>

#include "admin/query.hpp"
#include "cli/admin_client.hpp"
#include "cli/admin_print.hpp"
#include "cli/admin_words.hpp"

namespace moegate::cli {
namespace {

using admin::Answer;
using admin::Call;
using moe::json::Value;

constexpr int kDone = 0, kRefused = 1, kWrongUsage = 2;

std::string member_name(std::string option) {
  std::replace(option.begin(), option.end(), '-', '_');
  return option;
}

std::optional<std::int64_t> integer_of(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Members of the body from the options given.
moe::Result<Value> body_of(const AdminWords& words, std::initializer_list<const char*> texts,
                           std::initializer_list<const char*> integers) {
  Value body = Value::object();
  for (const std::string name : texts) {
    if (words.has(name)) body.set(member_name(name), Value::string(words.get(name)));
  }
  for (const std::string name : integers) {
    if (!words.has(name)) continue;
    const auto value = integer_of(words.get(name));
    if (!value) return moe::invalid("--" + name + " must be an integer");
    body.set(member_name(name), Value::integer(*value));
  }
  if (words.has("models")) {
    Value models = Value::array();
    std::string rest = words.get("models");
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (end > 0) models.push(Value::string(rest.substr(0, end)));
      rest.erase(0, end + 1);
    }
    body.set("models", std::move(models));
  }
  if (words.has("create")) body.set("create", Value::boolean(true));
  return body;
}

std::string query_of(const AdminWords& words, std::initializer_list<const char*> names) {
  std::string query;
  for (const std::string name : names) {
    if (!words.has(name)) continue;
    query += (query.empty() ? "" : "&") + member_name(name) + "=" + admin::percent_encode(words.get(name));
  }
  return query;
}

moe::Result<std::string> part(const AdminWords& words, const std::string& name) {
  if (words.get(name).empty()) return moe::invalid(name + " is missing");
  return "/" + admin::percent_encode(words.get(name));
}

// "/orgs/acme/limits": the parts of the address that options name.
moe::Result<std::string> path_of(const AdminWords& words, std::string path, std::initializer_list<const char*> parts,
                                 const std::string& end = "") {
  for (const std::string name : parts) {
    auto next = part(words, name);
    if (!next) return next.status();
    path += *next;
  }
  return path + end;
}

// The call of a command; export makes several and is not here.
moe::Result<Call> call_of(const AdminWords& words) {
  const std::string what = words.noun + " " + words.verb;
  const std::string base = "/admin/v1/" + (words.noun == "admin" ? "admins" : words.noun);
  Call call{"GET", base, "", {}, "cli"};
  moe::Result<Value> body = Value();
  moe::Result<std::string> path = base;
  if (words.verb == "create") {
    call.method = "POST";
    body = body_of(words, {"org", "project", "name", "role"},
                   {"expires-at", "requests-per-minute", "concurrent-requests"});
  } else if (words.verb == "limits") {
    call.method = "PATCH";
    body = body_of(words, {}, {"requests-per-minute", "concurrent-requests"});
    path = words.noun == "orgs"       ? path_of(words, base, {"org"}, "/limits")
           : words.noun == "projects" ? path_of(words, base, {"org", "project"}, "/limits")
                                      : path_of(words, base, {"id"}, "/limits");
  } else if (words.verb == "revoke") {
    call.method = "DELETE";
    path = path_of(words, base, {"id"});
  } else if (words.verb == "list") {
    call.query = query_of(words, {"org", "project"});
  } else if (what == "admin login") {
    call.method = "POST";
    path = std::string("/admin/v1/login");
    body = Value::object();
  } else if (what == "usage report") {
    call.query = query_of(words, {"org", "project", "key", "model", "day", "from", "to", "group-by", "tz"});
  } else {
    path = base + "/" + words.verb;
    call.query = query_of(words, {"org", "project", "key", "model", "request-id", "after-seq", "limit"});
  }
  if (!path) return path.status();
  if (!body) return body.status();
  call.path = *path;
  call.body = std::move(*body);
  return call;
}

int refuse(std::ostream& err, const std::string& what) {
  err << "moegate: " << what << '\n';
  return kRefused;
}

std::string error_text(const Answer& answer) {
  const Value* error = answer.body.find("error");
  const Value* message = error != nullptr ? error->find("message") : nullptr;
  return message != nullptr && message->is_string() ? message->as_string()
                                                    : "the answer has status " + std::to_string(answer.status);
}

// One call; false after a failure was printed.
bool make_call(AdminClient& client, const Call& call, Answer* answer, std::ostream& err) {
  auto made = client.call(call);
  if (!made) {
    refuse(err, made.status().message());
    return false;
  }
  if (made->status < 200 || made->status > 299) {
    refuse(err, error_text(*made));
    return false;
  }
  *answer = std::move(*made);
  return true;
}

int run_export(AdminClient& client, const AdminWords& words, std::ostream& out, std::ostream& err) {
  const std::string format = words.has("format") ? words.get("format") : "jsonl";
  if (format != "jsonl" && format != "csv") {
    err << "moegate: --format takes jsonl or csv\n";
    return kWrongUsage;
  }
  std::ofstream file;
  if (words.has("output")) {
    file.open(words.get("output"), std::ios::binary | std::ios::trunc);
    if (!file) return refuse(err, words.get("output") + " cannot be written");
  }
  std::ostream& target = words.has("output") ? file : out;
  std::string after = "0";
  bool has_header = false, has_more = true;
  while (has_more) {
    const std::string filter = query_of(words, {"org", "project", "key", "model"});
    Answer answer;
    const Call call{"GET",
                    "/admin/v1/usage/records",
                    "limit=1000&after_seq=" + after + (filter.empty() ? "" : "&" + filter),
                    {},
                    "cli"};
    if (!make_call(client, call, &answer, err)) return kRefused;
    const Value *data = answer.body.find("data"), *last = answer.body.find("last_seq"),
                *more = answer.body.find("has_more");
    if (data == nullptr || last == nullptr || more == nullptr) return refuse(err, "the answer is no list of records");
    for (const Value& record : data->items()) {
      if (format == "jsonl") {
        target << moe::json::write(record) << '\n';
        continue;
      }
      if (!has_header) target << csv_line(record, true);
      has_header = true;
      target << csv_line(record, false);
    }
    after = last->integer_digits();
    has_more = more->as_bool();
  }
  target.flush();
  return target ? kDone : refuse(err, "the export could not be written in full");
}

int run_call(AdminClient& client, const AdminWords& words, std::ostream& out, std::ostream& err) {
  if (words.verb == "login" && !client.is_remote()) {
    return refuse(err, "a one-time address needs a running server: start moegate serve first");
  }
  const auto call = call_of(words);
  if (!call) {
    err << "moegate: " << call.status().message() << '\n';
    return kWrongUsage;
  }
  Answer answer;
  if (!make_call(client, *call, &answer, err)) return kRefused;
  const Value* url = words.verb == "login" ? answer.body.find("url") : nullptr;
  if (words.has("json")) {
    out << moe::json::write(answer.body) << '\n';
  } else if (url != nullptr && url->is_string()) {
    out << url->as_string() << '\n';
  } else {
    print_answer(answer.body, out);
    if (words.verb == "create" && answer.body.find("key") != nullptr) {
      out << "This is the only time the key is shown.\n";
    }
  }
  const Value* is_ok = answer.body.find("ok");
  return is_ok != nullptr && is_ok->is_bool() && !is_ok->as_bool() ? kRefused : kDone;
}

}  // namespace

bool is_admin_command(std::string_view noun) {
  const auto& verbs = admin_verbs();
  return std::any_of(verbs.begin(), verbs.end(), [&](const AdminVerb& verb) { return verb.noun == noun; });
}

int run_admin_command(const std::vector<std::string>& raw, const DataDirOf& data_dir_of, std::ostream& out,
                      std::ostream& err) {
  const auto words = parse_admin_words(raw);
  if (!words) {
    err << "moegate: " << words.status().message() << "\n\n" << admin_help(raw.empty() ? "" : raw[0]);
    return kWrongUsage;
  }
  if (words->has("help")) {
    const bool was_asked = raw.size() > 1;
    (was_asked ? out : err) << admin_help(words->noun);
    return was_asked ? kDone : kWrongUsage;
  }
  if (words->has("config") == words->has("data")) {
    err << "moegate: give the configuration (-c FILE) or the data directory (--data DIR)\n";
    return kWrongUsage;
  }
  std::filesystem::path data_dir = words->get("data");
  if (words->has("config")) {
    auto named = data_dir_of(words->get("config"));
    if (!named) return refuse(err, named.status().message());
    data_dir = std::move(*named);
  }
  auto client = AdminClient::open(std::filesystem::absolute(data_dir), words->verb == "create");
  if (!client) return refuse(err, client.status().message());
  return words->verb == "export" ? run_export(**client, *words, out, err) : run_call(**client, *words, out, err);
}

}  // namespace moegate::cli
