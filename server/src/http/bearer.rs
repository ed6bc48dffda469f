//! `Authorization: Bearer`: every row of the table that asks for a token passes here before its handler.

use api_schema::problem::ProblemCode;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use super::problem::HttpProblem;
use crate::service::Caller;
use crate::service::access_token::{self, TokenFault};

/// Lets a request through whose token is good, and tells the handler who asks.
pub(super) async fn require(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, HttpProblem> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    let value = values
        .next()
        .ok_or_else(|| HttpProblem::new(ProblemCode::TokenMissing))?;
    // Two tokens on one request leave open which of them counts.
    if values.next().is_some() {
        return Err(HttpProblem::new(ProblemCode::TokenRefused));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(bearer_token)
        .ok_or_else(|| HttpProblem::new(ProblemCode::TokenRefused))?;
    let caller = access_token::verify(token, app.clock.wall_ms(), |key_id| {
        app.backend.token_key(key_id)
    })
    .map_err(refused)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn refused(fault: TokenFault) -> HttpProblem {
    // The reason goes to our log only: a forger learns nothing from it.
    tracing::info!(%fault, "authn_fail");
    match fault {
        TokenFault::Expired => HttpProblem::new(ProblemCode::TokenExpired),
        TokenFault::Refused(_) => HttpProblem::new(ProblemCode::TokenRefused),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Caller>().copied();
        Ok(caller
            .expect("BUG: a handler that needs a caller stands in a row without a bearer token"))
    }
}
