// An OpenID provider with one client, for the tests: Filip Skokan's oidc-provider, told to issue tokens
// of the WLCG profile. Where it is told more than its own options, a comment says what it lacks.
//
// usage: node server.mjs CERTIFICATE KEY CLIENT_ID PATH, the secret in CLIENT_SECRET.
// It says its issuer identifier in one line and ends with its standard input.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider, { errors } from 'oidc-provider';

const [certificate, key, clientId, path] = process.argv.slice(2);
const ANY_AUDIENCE = 'https://wlcg.cern.ch/jwt/v1/any';
const GROUPS = ['/wlcg'];

// A scope of the profile (section 2.2.1). The provider knows static scopes only.
const SCOPE = /^(openid|wlcg(:1\.0)?|wlcg\.groups(:\/wlcg)?|storage\.(read|create|modify|stage):\/\S*|compute\.\w+)$/;

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}${path}`;
  const answer = provider(issuer).callback();
  server.on('request', (request, response) => {
    // It does not know that it lives below a path, and learns it from the difference of these two.
    request.originalUrl = request.url;
    request.url = request.url.startsWith(`${path}/`) ? request.url.slice(path.length) : '/nowhere';
    answer(request, response);
  });
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit(0));

function provider(issuer) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new Provider(issuer, {
    clients: [{
      client_id: clientId,
      client_secret: process.env.CLIENT_SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'test' }] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // It knows `resource` (RFC 8707); clients of WLCG say `audience`.
        defaultResource: (ctx) => ctx.oidc.body?.audience || ANY_AUDIENCE,
        getResourceServerInfo: (ctx, resource) => ({
          scope: granted(ctx.oidc.params.scope).join(' '),
          audience: resource,
          accessTokenTTL: 20 * 60,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    extraTokenClaims: (ctx, token) => ({
      'wlcg.ver': '1.0',
      nbf: Math.floor(Date.now() / 1000) - 60,
      ...(/\bwlcg\.groups\b/.test(token.scope) && { 'wlcg.groups': GROUPS }),
    }),
  });
}

function granted(scope = '') {
  const asked = scope.split(' ').filter(Boolean);
  const unknown = asked.filter((word) => !SCOPE.test(word));
  if (unknown.length > 0) {
    throw new errors.InvalidScope('not a scope of this provider', unknown.join(' '));
  }
  return asked;
}
