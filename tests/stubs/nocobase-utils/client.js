exports.getAuthCookieName = (type, app) => `nb_${type}_${app ?? 'main'}`;
