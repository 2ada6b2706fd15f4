/* h2o_embed.h - the one way to include libh2o: for its own event loop, not libuv.
 *
 * h2o.h brings OpenSSL's headers with it. configurator.h, http2_internal.h and websocket.h of the
 * packaged 2.2.5 do not compile and are not needed.
 */
#ifndef FLORIN_HTTP_H2O_EMBED_H
#define FLORIN_HTTP_H2O_EMBED_H

#define H2O_USE_LIBUV 0

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

#endif
