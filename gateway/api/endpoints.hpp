// The handlers of the data listener, one function an endpoint; routes.cpp puts them into the table. Any io thread.
#pragma once

#include "api/params.hpp"
#include "api/services.hpp"
#include "http/router.hpp"

namespace moegate::api {

void chat_completions(const Services& services, Shared exchange);
void completions(const Services& services, Shared exchange);
// Ends a running request of the caller's own project: DELETE /v1/requests/{id}.
void cancel_request(const Services& services, Shared exchange, const std::string& id);
void list_models(const Services& services, Shared exchange);
void get_model(const Services& services, Shared exchange, const std::string& id);
void tokenize(const Services& services, Shared exchange);
void detokenize(const Services& services, Shared exchange);
void count_chat_tokens(const Services& services, Shared exchange);

void health(const Services& services, Shared exchange);
void liveness(Shared exchange);
void readiness(const Services& services, Shared exchange);
void version(const Services& services, Shared exchange);

// Internal to the room: the model that the caller asked for and may use; answers itself and gives null if there is
// none.
const backend::Model* resolve_model(const Services& services, middleware::ObservedExchange& exchange,
                                    const std::string& asked, std::optional<ApiError>& error);
void answer_json(middleware::ObservedExchange& exchange, std::string body, int status = 200);

}  // namespace moegate::api
